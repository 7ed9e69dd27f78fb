package office

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// paged is the answer to a list's request.
type paged[T any] struct {
	Link string `header:"Link" doc:"The next page (RFC 8288), rel=next; missing on the last one." example:"</api/v1/passes?cursor=b64&limit=50>; rel=\"next\""`
	Body T
}

// answerPage returns a page whose Link header leads to the next one, if there is
// one.
func answerPage[T any](ctx context.Context, body T, next string) *paged[T] {
	if next == "" {
		return &paged[T]{Body: body}
	}
	u := callOf(ctx).url
	q := u.Query()
	q.Set("cursor", next)
	return &paged[T]{"<" + (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String() + `>; rel="next"`, body}
}

// cursorMark is how many bytes of a hash tell whose a cursor is.
const cursorMark = 9

// cursorOf returns the cursor of a place in a list. It is of that list with
// these filters alone; all else of it is the list's own business.
func cursorOf(ctx context.Context, list, place string) string {
	mark := cursorHash(ctx, list, place)
	return base64.RawURLEncoding.EncodeToString(append(mark[:cursorMark], place...))
}

// cursorHash binds a place to a list and its filters: a page of other filters
// begun there would leave rows out that nobody misses.
func cursorHash(ctx context.Context, list, place string) [sha256.Size]byte {
	u := callOf(ctx).url
	q := u.Query()
	q.Del("cursor")
	q.Del("limit")
	return sha256.Sum256([]byte(list + "\x00" + q.Encode() + "\x00" + place))
}

// placeOf returns the place that a cursor stands for, "" for none. One of another
// list, of other filters, or made up is a problem.
func placeOf(ctx context.Context, list, cursor string) (place string, err error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) <= cursorMark {
		return "", foreignCursor()
	}
	place = string(b[cursorMark:])
	mark := cursorHash(ctx, list, place)
	if string(mark[:cursorMark]) != string(b[:cursorMark]) {
		return "", foreignCursor()
	}
	return place, nil
}

func foreignCursor() error {
	return problemCursor.say("The cursor is none of this list with these filters; begin without one, and change nothing but limit between pages.", Fault{
		Location: "query.cursor", Message: "is none of this list with these filters",
	})
}

// pageByKey returns the page of a whole list that begins behind a cursor, and the
// cursor of the next. Keys are unique; the list is sorted by their bytes here, for
// PostgreSQL sorts as its collation does: one that came or went since the page before
// moves no other.
func pageByKey[T any](ctx context.Context, list, cursor string, limit int, all []T, key func(T) string) (page []T, next string, err error) {
	after, err := placeOf(ctx, list, cursor)
	if err != nil {
		return nil, "", err
	}
	slices.SortStableFunc(all, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	from := 0
	if after != "" {
		i, found := slices.BinarySearchFunc(all, after, func(v T, k string) int { return strings.Compare(key(v), k) })
		if from = i; found {
			from++
		}
	}
	page = all[from:]
	if len(page) > limit {
		page = page[:limit]
		next = cursorOf(ctx, list, key(page[limit-1]))
	}
	return page, next, nil
}

// numberAfter returns the number that a page of rows with ascending numbers
// begins behind: that of the cursor, or the one asked for.
func numberAfter(ctx context.Context, list, cursor string, after int64) (int64, error) {
	place, err := placeOf(ctx, list, cursor)
	if err != nil || place == "" {
		return after, err
	}
	n, err := strconv.ParseInt(place, 10, 64)
	if err != nil {
		return 0, foreignCursor()
	}
	return n, nil
}

// pageByNumber returns the page of rows of which one more than limit was asked
// for, and the cursor of the next page.
func pageByNumber[T any](ctx context.Context, list string, limit int, rows []T, number func(T) int64) (page []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], cursorOf(ctx, list, strconv.FormatInt(number(rows[limit-1]), 10))
}
