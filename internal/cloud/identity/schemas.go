// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/identity/schema"
)

// What Keystone's schemas are made of. The order of the keywords and of the
// properties is Keystone's, for the first fault is the one that is told.
const (
	anyText     = `{"type": "string"}`
	anyBoolean  = `{"type": "boolean", "enum": [true, false, null]}`
	option      = `{"type": ["boolean", "null"], "enum": [true, false, null]}`
	description = `{"type": ["string", "null"]}`
	anyID       = `{"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]+$"}`
	idOrNull    = `{"type": ["string", "null"], "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]+$"}`
	longName    = `{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"}`
	shortName   = `{"type": "string", "minLength": 1, "maxLength": 64, "pattern": "[\\S]+"}`
	oneTag      = `{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]*$"}`
	tagList     = `{"type": "array", "items": ` + oneTag + `, "required": [], "maxItems": 80, "uniqueItems": true}`
	protection  = `{"type": "object", "properties": {"immutable": ` + option + `}, "additionalProperties": false}`
	idAndName   = `{"type": "object", "properties": {"id": ` + anyText + `, "name": ` + anyText + `}}`
	nameAndID   = `{"type": "object", "properties": {"name": ` + anyText + `, "id": ` + anyText + `, "domain": ` + idAndName + `}}`
	onlyID      = `{"type": "object", "properties": {"id": ` + anyText + `}}`

	userProperties = `{"default_project_id": ` + idOrNull + `, "description": ` + description + `, "domain_id": ` + anyID + `, "enabled": ` + anyBoolean + `,
		"federated": {"type": "array", "items": {"type": "object", "properties": {"idp_id": ` + anyText + `, "protocols": {"type": "array", "items":
			{"type": "object", "properties": {"protocol_id": ` + anyText + `, "unique_id": ` + anyText + `}, "required": ["protocol_id", "unique_id"]}, "minItems": 1}},
			"required": ["idp_id", "protocols"]}},
		"name": ` + longName + `, "password": {"type": ["string", "null"]},
		"options": {"type": "object", "properties": {
			"ignore_change_password_upon_first_use": ` + option + `, "ignore_password_expiry": ` + option + `,
			"ignore_lockout_failure_attempts": ` + option + `, "lock_password": ` + option + `, "ignore_user_inactivity": ` + option + `,
			"multi_factor_auth_rules": {"type": ["array", "null"], "items": {"type": "array", "items": ` + anyText + `, "minItems": 1, "uniqueItems": true}, "uniqueItems": true},
			"multi_factor_auth_enabled": ` + option + `}, "additionalProperties": false}}`
	projectProperties = `{"description": ` + description + `, "domain_id": ` + idOrNull + `, "enabled": ` + anyBoolean + `, "is_domain": ` + anyBoolean + `,
		"parent_id": ` + idOrNull + `, "name": ` + shortName + `, "tags": ` + tagList + `, "options": ` + protection + `}`
	domainProperties   = `{"description": ` + description + `, "enabled": ` + anyBoolean + `, "name": ` + shortName + `, "tags": ` + tagList + `}`
	groupProperties    = `{"description": ` + description + `, "domain_id": ` + anyID + `, "name": ` + longName + `}`
	roleProperties     = `{"name": ` + longName + `, "description": ` + anyText + `, "options": ` + protection + `}`
	regionProperties   = `{"description": ` + description + `, "id": ` + anyText + `, "parent_region_id": {"type": ["string", "null"]}}`
	serviceProperties  = `{"enabled": ` + anyBoolean + `, "name": ` + longName + `, "type": {"type": "string", "minLength": 1, "maxLength": 255}}`
	endpointProperties = `{"enabled": ` + anyBoolean + `, "interface": {"type": "string", "enum": ["admin", "internal", "public"]}, "region_id": ` + anyText + `,
		"region": ` + anyText + `, "service_id": ` + anyText + `, "url": {"type": "string", "minLength": 0, "maxLength": 225, "pattern": "^[a-zA-Z0-9+.-]+:.+"}}`
	accessRule = `{"type": "object", "properties": {"path": {"type": "string", "minLength": 0, "maxLength": 225, "pattern": "^\\/.*"},
		"method": {"type": "string", "pattern": "^(POST|GET|HEAD|PATCH|PUT|DELETE)$"}, "service": ` + anyID + `, "id": ` + anyID + `}, "additionalProperties": false}`
	credentialProperties = `{"name": ` + longName + `, "description": ` + description + `, "secret": {"type": ["null", "string"]}, "expires_at": {"type": ["null", "string"]},
		"roles": {"type": "array", "items": {"type": "object", "properties": {"id": ` + anyID + `, "name": ` + longName + `},
			"minProperties": 1, "maxProperties": 1, "additionalProperties": false}},
		"unrestricted": ` + anyBoolean + `, "access_rules": {"type": "array", "items": ` + accessRule + `}}`
)

var (
	tokenIssue = schema.MustParse(`{"type": "object", "properties": {
		"identity": {"type": "object", "properties": {
			"methods": {"type": "array", "items": ` + anyText + `},
			"password": {"type": "object", "properties": {"user": {"type": "object", "properties": {"id": ` + anyText + `, "name": ` + anyText + `, "password": ` + anyText + `, "domain": ` + idAndName + `}}}},
			"token": {"type": "object", "properties": {"id": ` + anyText + `}, "required": ["id"]}}, "required": ["methods"]},
		"scope": {"type": ["object", "string"], "properties": {"project": ` + nameAndID + `, "domain": ` + idAndName + `, "OS-TRUST:trust": ` + onlyID + `,
			"system": {"type": "object", "properties": {"all": ` + anyBoolean + `}}}}}, "required": ["identity"]}`)
	passwordChange = schema.MustParse(`{"type": "object", "properties": {"original_password": ` + anyText + `, "password": ` + anyText + `},
		"required": ["original_password", "password"], "additionalProperties": false}`)

	userCreate, userUpdate         = both(userProperties, `"options": {"type": "object"}, `, "name")
	projectCreate, projectUpdate   = both(projectProperties, "", "name")
	domainCreate, domainUpdate     = both(domainProperties, "", "name")
	groupCreate, groupUpdate       = both(groupProperties, "", "name")
	roleCreate, roleUpdate         = both(roleProperties, "", "name")
	regionCreate, regionUpdate     = both(regionProperties, "")
	serviceCreate, serviceUpdate   = both(serviceProperties, "", "type")
	endpointCreate, endpointUpdate = both(endpointProperties, "", "interface", "service_id", "url")
	credentialCreate, _            = both(credentialProperties, "", "name")
	tagCreate, tagsUpdate          = schema.MustParse(oneTag), schema.MustParse(tagList)
)

// both makes the schemas for a new resource and for a change of one. more are
// keywords that belong to both.
func both(properties, more string, required ...string) (create, update *schema.Schema) {
	needed := ""
	if len(required) > 0 {
		needed = `"required": ["` + strings.Join(required, `", "`) + `"], `
	}
	object := func(keywords string) *schema.Schema {
		return schema.MustParse(`{"type": "object", "properties": ` + properties + `, ` + keywords + more + `"additionalProperties": true}`)
	}
	return object(needed), object(`"minProperties": 1, `)
}
