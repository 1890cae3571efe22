// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package strictyaml reads one YAML document into a struct, strictly.
//
// An unknown key, a key that is set twice or a value of the wrong type is a
// problem that names the key, the line it stands on and what would be right;
// all of them are told at once. What the document leaves out keeps the value
// that the struct had. It tells where each value stood, so that a caller who
// finds one that is not allowed can say so too.
//
// It must not know what the values mean.
package strictyaml
