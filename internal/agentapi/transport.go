// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agentapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
)

// maxAnswer and maxHead bound what is read of an answer, in bytes: well over a
// list of ten thousand attachments.
const (
	maxAnswer = 64 << 20
	maxHead   = 64 << 10
)

// roundTrip sends one request and reads the whole answer.
//
// The client speaks HTTP/1.0 by hand because of what it is linked into: with
// net/http, and the TLS that comes along, the CNI plugin would be two and a
// half times as large and start a quarter slower. In HTTP/1.0 an answer is never
// chunked, and ends with the connection.
func roundTrip(conn net.Conn, method, path string, body []byte) (code int, answer []byte, err error) {
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.0\r\nHost: kuryr\r\n", method, path)
	if body != nil {
		fmt.Fprintf(&head, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	head.WriteString("\r\n")
	message := net.Buffers{head.Bytes(), body}
	// A server may refuse a message before it has read it all: its answer
	// then says more than the broken write.
	_, sendErr := message.WriteTo(conn)
	code, answer, err = readAnswer(conn)
	if err != nil && sendErr != nil {
		return 0, nil, sendErr
	}
	return code, answer, err
}

func readAnswer(r io.Reader) (code int, answer []byte, err error) {
	buffered := bufio.NewReader(io.LimitReader(r, maxHead+maxAnswer))
	text := textproto.NewReader(buffered)
	line, err := text.ReadLine()
	if err != nil {
		return 0, nil, unfinished(err)
	}
	if code, err = statusCode(line); err != nil {
		return 0, nil, err
	}
	header, err := text.ReadMIMEHeader()
	if err != nil {
		return 0, nil, unfinished(err)
	}
	if header.Get("Transfer-Encoding") != "" {
		return 0, nil, errors.New("transfer encoding in an HTTP/1.0 answer")
	}
	answer, err = readBody(buffered, header.Get("Content-Length"))
	return code, answer, err
}

// readBody reads as much as was announced, or all there is. It does not read
// on: after an early answer, the end of the stream may be an error.
func readBody(r io.Reader, announced string) ([]byte, error) {
	if announced == "" {
		body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
		if err == nil && len(body) > maxAnswer {
			err = fmt.Errorf("answer larger than %d bytes", maxAnswer)
		}
		return body, err
	}
	length, err := strconv.Atoi(announced)
	if err != nil || length < 0 || length > maxAnswer {
		return nil, fmt.Errorf("answer of %.20q bytes; at most %d", announced, maxAnswer)
	}
	body := make([]byte, length)
	if n, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("answer ends after %d of %d bytes: %w", n, length, unfinished(err))
	}
	return body, nil
}

// statusCode reads a status line: "HTTP/1.0 200 OK".
func statusCode(line string) (int, error) {
	proto, rest, _ := strings.Cut(line, " ")
	digits, _, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(digits)
	if !strings.HasPrefix(proto, "HTTP/1.") || len(digits) != 3 || err != nil {
		return 0, fmt.Errorf("not an HTTP answer: %.40q", line)
	}
	return code, nil
}

// unfinished words an end of the stream where more was to come.
func unfinished(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection was closed")
	}
	return err
}
