// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// maxBody bounds a message, in bytes: the largest configuration in base64,
// and the environment, of which Linux gives each variable up to 128 KiB.
const maxBody = agentapi.MaxStdin/3*4 + 1<<20

// ServeHTTP serves agentapi.PathCNI. A call that was understood is answered
// with 200, whatever became of it; anything else with an agentapi.Failure. The
// request's context ends with the plugin's connection, and with it the call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s; want POST", r.Method))
		return
	}
	// Read to its end: only then the server watches whether the caller is still there.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		refuse(w, status, "read cni request: "+err.Error())
		return
	}
	var call agentapi.CNIRequest
	if err := json.Unmarshal(body, &call); err != nil {
		refuse(w, http.StatusBadRequest, "decode cni request: "+err.Error())
		return
	}
	if len(call.Stdin) > agentapi.MaxStdin {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("network configuration larger than %d bytes", agentapi.MaxStdin))
		return
	}
	write(w, http.StatusOK, h.Handle(r.Context(), call))
}

func refuse(w http.ResponseWriter, status int, message string) {
	write(w, status, agentapi.Failure{Class: string(fault.Invalid), Message: message})
}

func write(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"class":"internal","message":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	// With its length announced, the plugin can tell a whole answer from half of one.
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller went away: the context told the call so
}
