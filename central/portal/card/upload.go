package card

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"turnstile/central/office"
	"turnstile/central/photo"
	"turnstile/central/portal"
)

// maxParts bounds what a form of one file can have.
const maxParts = 8

// readUpload reads the file of the form, in memory: nothing of a photo lies in a
// temporary file.
func readUpload(r *portal.Request) (Upload, error) {
	again := office.Refuse(office.ErrInvalid, "Choose a photo: a JPEG or PNG file.")
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || parameters["boundary"] == "" {
		return Upload{}, again
	}
	form := multipart.NewReader(r.Body, parameters["boundary"])
	for range maxParts {
		part, err := form.NextPart()
		if err != nil {
			return Upload{}, broken(err, again)
		}
		if part.FormName() != "photo" {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(part, photo.MaxUpload+1))
		switch {
		case err != nil:
			return Upload{}, broken(err, again)
		case len(data) == 0:
			return Upload{}, again
		case len(data) > photo.MaxUpload:
			return Upload{}, fmt.Errorf("read photo: %w", &http.MaxBytesError{Limit: photo.MaxUpload})
		}
		u := Upload{Data: data}
		if t, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err == nil && t != "application/octet-stream" {
			u.Type = t
		}
		return u, nil
	}
	return Upload{}, again
}

// broken tells a form that is too large from one that is none.
func broken(err, again error) error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return large
	}
	return again
}
