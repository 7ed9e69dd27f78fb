package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"turnstile/central/office"
)

// apiCommand sends any request to the API, for what has no command of its own.
type apiCommand struct {
	Method string `arg:"" enum:"get,put,post,delete,GET,PUT,POST,DELETE" help:"GET, PUT, POST or DELETE."`
	Path   string `arg:"" help:"Below /api/v1, with its query: /passes?kind=guest. /api/v1/docs lists all."`
	Body   string `short:"b" placeholder:"FILE" help:"JSON to send; - is standard input."`
	Pages  bool   `help:"Of a list all pages, a line of JSON each."`
}

func (x *apiCommand) Run(ctx context.Context, c *console, cl *cli) error {
	method := strings.ToUpper(x.Method)
	if !strings.HasPrefix(x.Path, "/") || strings.HasPrefix(x.Path, "//") || x.Pages && method != "GET" {
		return fmt.Errorf("%w: want a path such as /lanes, and --pages with GET alone", errUsage)
	}
	var body []byte
	if x.Body != "" {
		var err error
		if body, err = c.read(x.Body, office.MaxUpload); err != nil {
			return err
		}
		if !json.Valid(body) {
			return fmt.Errorf("%w: %s is no JSON", errUsage, x.Body)
		}
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	path := x.Path
	for {
		data, _, err := api.send(ctx, method, path, body)
		if err != nil {
			return err
		}
		if err := c.printAnswer(data, x.Pages); err != nil {
			return err
		}
		next, err := nextPage(path, data)
		if err != nil || !x.Pages || next == "" || next == path {
			return err
		}
		path = next
	}
}

// printAnswer prints JSON for people, or on one line, and all else as it is.
func (c *console) printAnswer(data []byte, line bool) error {
	var out bytes.Buffer
	var err error
	switch {
	case !json.Valid(data):
		out.Write(data)
	case line:
		err = json.Compact(&out, data)
		out.WriteByte('\n')
	default:
		err = json.Indent(&out, bytes.TrimSpace(data), "", "  ")
		out.WriteByte('\n')
	}
	if err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	_, err = c.out.Write(out.Bytes())
	return err
}

// nextPage returns the path of the page behind one, "" for the last.
func nextPage(path string, page []byte) (string, error) {
	var list struct {
		Next string `json:"next"`
	}
	if json.Unmarshal(page, &list) != nil || list.Next == "" {
		return "", nil
	}
	u, err := url.Parse(path)
	if err != nil {
		return "", fmt.Errorf("%w: path %q: %w", errUsage, path, err)
	}
	q := u.Query()
	q.Set("cursor", list.Next)
	u.RawQuery = q.Encode()
	return u.String(), nil
}
