// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

// Requests is the answer of GET /requests.
type Requests struct {
	// Seq is the number of the last call that has ended: the next question's after.
	Seq uint64 `json:"seq"`
	// InFlight is how many calls are under way.
	InFlight int `json:"in_flight"`
	// Counts are the counters since the last reset.
	Counts []Count `json:"counts"`
	// Fired is to how many calls each rule has done something.
	Fired map[string]int `json:"fired"`
	// Calls are the calls that were asked for, and Forgotten how many of them
	// the log no longer has.
	Calls     []Call `json:"calls"`
	Forgotten int    `json:"forgotten"`
}

// Handler serves
//
//	GET /faults       the settings, as JSON
//	PUT /faults       new settings, as JSON or YAML
//	DELETE /faults    no faults
//	GET /requests     Requests; ?after=SEQ and ?kind=KIND choose among the calls
//	DELETE /requests  forget the calls, set the counters to zero
func (f *Faults) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f.Settings()) })
	mux.HandleFunc("PUT /faults", f.put)
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		f.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /requests", f.requests)
	mux.HandleFunc("DELETE /requests", func(w http.ResponseWriter, _ *http.Request) {
		f.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (f *Faults) put(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, strictyaml.MaxFile+1))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s, err := Read("faults", b)
	if err == nil {
		err = f.Set(s)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, f.Settings())
}

func (f *Faults) requests(w http.ResponseWriter, r *http.Request) {
	after, kind, err := question(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := Requests{Seq: f.Seq(), InFlight: f.InFlight(), Counts: f.Counts(), Fired: f.Fired(), Calls: []Call{}}
	var calls []Call
	calls, answer.Forgotten = f.log.calls(after)
	for _, c := range calls {
		if c.Seq <= answer.Seq && (kind == "" || c.Kind == kind) {
			answer.Calls = append(answer.Calls, c)
		}
	}
	writeJSON(w, answer)
}

func question(q url.Values) (after uint64, kind string, err error) {
	for name := range q {
		if name != "after" && name != "kind" {
			return 0, "", errors.New("unknown parameter " + strconv.Quote(name) + "; want after or kind")
		}
	}
	if s := q.Get("after"); s != "" {
		if after, err = strconv.ParseUint(s, 10, 64); err != nil {
			return 0, "", errors.New("after: want the number of a call, found " + strconv.Quote(s))
		}
	}
	return after, q.Get("kind"), nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // a client that has gone needs no answer
}
