// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// hashSecret hashes a password or secret. The cost is the least: programs log
// in here, all the time, and a guess still costs a millisecond.
func hashSecret(secret string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword(digest(secret), bcrypt.MinCost)
	if err != nil {
		return "", fmt.Errorf("identity: hash a secret: %w", err)
	}
	return string(hash), nil
}

// checkSecret compares a secret with a hash; nothing fits an empty one.
func checkSecret(hash, secret string) bool {
	return hash != "" && bcrypt.CompareHashAndPassword([]byte(hash), digest(secret)) == nil
}

// digest has the whole of a secret count: bcrypt sees 72 bytes of it.
func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}
