// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// forward hands a call to the agent and turns every failure on the way into a
// CNI error.
func forward(ctx context.Context, r agentapi.CNIRequest, stdin io.Reader) agentapi.CNIResponse {
	conf, failure := prepare(&r, stdin)
	if failure != nil {
		failure.CNIVersion = conf.version
		return failure.Response()
	}
	client := agentapi.Client{Socket: conf.socket}
	response, err := client.CNI(ctx, r)
	if err == nil {
		return response
	}
	failure = explain(ctx, r.Command, err)
	failure.CNIVersion = conf.version
	return failure.Response()
}

// prepare completes and checks a call without the agent's help: what is wrong
// with its form is told even when no agent runs.
//
// A DEL is forwarded whatever its configuration looks like. It ends an
// attachment by container and interface, and must succeed for one whose ADD was
// refused for that very configuration.
func prepare(r *agentapi.CNIRequest, stdin io.Reader) (config, *agentapi.CNIError) {
	if variable, problem := r.CheckEnvironment(); variable != "" {
		return config{}, &agentapi.CNIError{
			Code: agentapi.CodeEnvironment, Msg: variable + ": " + problem,
			Details: "the environment variables that a runtime sets are those of the CNI specification, section 2",
		}
	}
	raw, failure := readConfig(stdin)
	var conf config
	if failure == nil {
		r.Stdin = raw
		conf, failure = parseConfig(raw)
	}
	if r.Command == agentapi.CommandDel {
		failure = nil
	}
	return conf, failure
}

// readConfig reads stdin, but never more than the agent would take.
func readConfig(stdin io.Reader) ([]byte, *agentapi.CNIError) {
	raw, err := io.ReadAll(io.LimitReader(stdin, agentapi.MaxStdin+1))
	if err != nil {
		return nil, &agentapi.CNIError{Code: agentapi.CodeIO, Msg: "stdin: the network configuration cannot be read", Details: err.Error()}
	}
	if len(raw) > agentapi.MaxStdin {
		return nil, &agentapi.CNIError{
			Code: agentapi.CodeDecode, Msg: fmt.Sprintf("stdin: the network configuration is larger than %d bytes", agentapi.MaxStdin),
		}
	}
	return raw, nil
}

// config is all that the plugin itself wants to know of a configuration.
type config struct {
	// version is the cniVersion asked for: errors are answered in it.
	version string
	// socket is the agent's, empty when the configuration has none.
	socket string
}

func parseConfig(raw []byte) (config, *agentapi.CNIError) {
	var keys struct {
		Version json.RawMessage `json:"cniVersion"`
		Socket  json.RawMessage `json:"socket"`
	}
	if err := json.Unmarshal(raw, &keys); err != nil {
		return config{}, &agentapi.CNIError{
			Code: agentapi.CodeDecode, Msg: "stdin: the network configuration is not a JSON object", Details: err.Error(),
		}
	}
	var conf config
	if keys.Version != nil {
		// What is wrong with it is the agent's to say.
		_ = json.Unmarshal(keys.Version, &conf.version)
	}
	if conf.version == "" {
		conf.version = agentapi.CNIVersions[0]
	}
	if keys.Socket == nil {
		return conf, nil
	}
	if err := json.Unmarshal(keys.Socket, &conf.socket); err != nil || !strings.HasPrefix(conf.socket, "/") {
		conf.socket = ""
		return conf, &agentapi.CNIError{
			Code: agentapi.CodeConfig, Msg: fmt.Sprintf("socket: want the absolute path of the agent's socket, got %.80s", keys.Socket),
		}
	}
	return conf, nil
}

// explain tells the runtime why there is no answer of the agent.
func explain(ctx context.Context, command string, err error) *agentapi.CNIError {
	failure := &agentapi.CNIError{Code: agentapi.CodeTryAgain}
	if command == agentapi.CommandStatus {
		failure.Code = agentapi.CodeNotAvailable
	}
	var (
		unreachable *agentapi.UnreachableError
		refused     *agentapi.RefusedError
	)
	switch {
	case ctx.Err() != nil:
		failure.Msg = "the call was ended before the agent answered"
		failure.Details = context.Cause(ctx).Error() + "; what was begun is undone by the agent"
	case errors.As(err, &unreachable):
		failure.Msg = "kuryr agent does not answer at " + unreachable.Socket
		failure.Details = unreachable.Reason() + "; " + unreachable.Hint()
	case errors.As(err, &refused):
		failure.Code = agentapi.CodeInternal
		failure.Msg = "kuryr agent refused the call"
		failure.Details = refused.Failure.Message
	default:
		failure.Code = agentapi.CodeInternal
		failure.Msg = "kuryr-cni cannot call the agent"
		failure.Details = err.Error()
	}
	return failure
}
