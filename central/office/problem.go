package office

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// problems maps what services refuse to a status and, where the refusal came
// without words, to a detail.
var problems = []struct {
	kind   error
	status int
	detail string
}{
	{ErrNotFound, http.StatusNotFound, "There is none with this id; list them to see which there are."},
	{ErrConflict, http.StatusConflict, "It has changed meanwhile; read it again and decide anew."},
	{ErrInvalid, http.StatusUnprocessableEntity, "The request cannot be fulfilled as it is."},
	{ErrUnavailable, http.StatusServiceUnavailable, "Not possible at the moment; try again in a few seconds."},
	{context.Canceled, http.StatusServiceUnavailable, "The request was broken off."},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "It took too long; try again, and look at central's load if it stays so."},
}

// problem returns err as an answer. The text of an error that no service meant
// for the caller goes to the log alone.
func (a *api) problem(ctx context.Context, err error) error {
	for _, p := range problems {
		if !errors.Is(err, p.kind) {
			continue
		}
		detail := p.detail
		if r, ok := errors.AsType[*Refusal](err); ok {
			detail = r.Detail
		}
		return huma.NewError(p.status, detail)
	}
	a.log.Error("request", "by", caller(ctx), "cause", err)
	return huma.NewError(http.StatusInternalServerError, "Central could not do this; its log has the cause.")
}

// wrong returns a validation problem at one place of the request.
func wrong(location, message string, value any) error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: location, Message: message, Value: value})
}
