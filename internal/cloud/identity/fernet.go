// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// A Fernet token is, in base64: the version, the time it was made, the
// initialisation vector, the encrypted payload and the signature of all that.
const (
	fernetVersion = 0x80
	fernetHeader  = 1 + 8 + aes.BlockSize
	fernetKeySize = 32
	// maxToken is more than any token of ours is long.
	maxToken = 1024
)

// sealer makes Fernet tokens and opens them. Keystone's tokens are of that
// form, and what hides those in logs hides ours.
type sealer struct {
	sign  []byte
	block cipher.Block
}

func newSealer(key []byte) (*sealer, error) {
	if len(key) != fernetKeySize {
		return nil, errors.New("identity: use the token key: wrong length")
	}
	block, err := aes.NewCipher(key[fernetKeySize/2:])
	if err != nil {
		return nil, err
	}
	return &sealer{key[:fernetKeySize/2], block}, nil
}

func (s *sealer) seal(payload []byte, issued time.Time) string {
	padding := aes.BlockSize - len(payload)%aes.BlockSize
	token := make([]byte, fernetHeader, fernetHeader+len(payload)+padding+sha256.Size)
	token[0] = fernetVersion
	binary.BigEndian.PutUint64(token[1:], uint64(issued.Unix()))
	iv := token[9:fernetHeader]
	_, _ = rand.Read(iv) // it never fails
	token = append(token, payload...)
	for range padding {
		token = append(token, byte(padding))
	}
	text := token[fernetHeader:]
	cipher.NewCBCEncrypter(s.block, iv).CryptBlocks(text, text)
	token = append(token, s.signature(token)...)
	return base64.RawURLEncoding.EncodeToString(token)
}

// open gives what was sealed; ok is false for a token that is not ours.
func (s *sealer) open(text string) (payload []byte, issued time.Time, ok bool) {
	if len(text) > maxToken {
		return nil, time.Time{}, false
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(token) < fernetHeader+aes.BlockSize+sha256.Size || token[0] != fernetVersion {
		return nil, time.Time{}, false
	}
	signed, signature := token[:len(token)-sha256.Size], token[len(token)-sha256.Size:]
	if !hmac.Equal(signature, s.signature(signed)) {
		return nil, time.Time{}, false
	}
	payload = signed[fernetHeader:]
	if len(payload)%aes.BlockSize != 0 {
		return nil, time.Time{}, false
	}
	cipher.NewCBCDecrypter(s.block, signed[9:fernetHeader]).CryptBlocks(payload, payload)
	padding := int(payload[len(payload)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, time.Time{}, false
	}
	return payload[:len(payload)-padding], time.Unix(int64(binary.BigEndian.Uint64(signed[1:])), 0).UTC(), true
}

func (s *sealer) signature(signed []byte) []byte {
	mac := hmac.New(sha256.New, s.sign)
	mac.Write(signed)
	return mac.Sum(nil)
}
