// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 16 << 20

// sendTimeout is how long a service may take for a batch.
const sendTimeout = 30 * time.Second

// answer is what a service says.
type answer struct {
	status int
	after  time.Duration
	body   []byte
}

// post sends a batch.
func post(ctx context.Context, client *http.Client, url, contentType string, header http.Header, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("answer of %s: %w", url, err)
	}
	a := answer{status: resp.StatusCode, body: text}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		a.after = time.Duration(s) * time.Second
	}
	return a, nil
}

// errAnswer is the error of an answer that is not what the service's documents say. The
// credential is not in it, whatever the service sends back.
func errAnswer(service string, a answer, credential string) error {
	err := fmt.Errorf("%s answers %d: %.200q", service, a.status, hide(string(a.body), credential))
	if a.status == http.StatusRequestEntityTooLarge {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return &Busy{a.after, err}
}

// hide returns a text without a credential.
func hide(text, credential string) string {
	if credential == "" {
		return text
	}
	return strings.ReplaceAll(text, credential, "[credential]")
}
