package dialect

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// fake is a line with an engine at its end that has a rate of its own.
type fake struct {
	host, engine int
	gone         error
}

func (f *fake) Ask([]byte, time.Duration) ([]byte, error) { return nil, ErrSilent }
func (f *fake) Rest(time.Duration) error                  { return f.gone }
func (f *fake) Baud() int                                 { return f.host }
func (f *fake) SetBaud(baud int) error                    { f.host = baud; return nil }

func TestRaise(t *testing.T) {
	gone := errors.New("unplugged")
	heard := func(f *fake) error {
		if f.host != f.engine {
			return ErrSilent
		}
		return nil
	}
	for _, c := range []struct {
		name   string
		change func(f *fake, baud int) error
		verify func(f *fake) error
		gone   error
		want   error
		host   int
	}{
		{"goes up", func(f *fake, baud int) error { f.engine = baud; return nil }, heard, nil, nil, 115200},
		{"replies at the new rate", func(f *fake, baud int) error { f.engine = baud; return ErrSilent }, heard, nil, nil, 115200},
		{"refuses", func(*fake, int) error { return ErrRefused }, heard, nil, ErrRate, 9600},
		{"confirms and stays", func(*fake, int) error { return nil }, heard, nil, ErrRate, 9600},
		{"falls silent", func(f *fake, _ int) error { f.engine = 1; return nil }, heard, nil, ErrSilent, 9600},
		{"is unplugged", func(*fake, int) error { return gone }, heard, nil, gone, 9600},
		{"is unplugged later", func(*fake, int) error { return nil }, heard, gone, gone, 115200},
		{"answers with refusals", func(f *fake, baud int) error { f.engine = baud; return nil }, func(*fake) error { return ErrRefused }, nil, nil, 115200},
	} {
		f := &fake{host: 9600, engine: 9600, gone: c.gone}
		err := Raise(f, 115200, func(baud int) error { return c.change(f, baud) }, func() error { return c.verify(f) })
		if !errors.Is(err, c.want) || c.want == nil && err != nil || f.host != c.host {
			t.Errorf("%s: %v at %d, want %v at %d", c.name, err, f.host, c.want, c.host)
		}
		if c.want == ErrRate && errors.Is(err, ErrSilent) {
			t.Errorf("%s: %v is not silent", c.name, err)
		}
	}
	if err := Raise(&fake{host: 9600}, 9600, nil, nil); err != nil {
		t.Errorf("raised to what it is: %v", err)
	}
}

// The new rate carries some replies and not others: the engine is told to go
// back, at the rate at which it is.
func TestRaiseGoesBack(t *testing.T) {
	f := &fake{host: 9600, engine: 9600}
	n := 0
	err := Raise(f, 115200, func(baud int) error {
		if f.host == f.engine {
			f.engine = baud
		}
		return nil
	}, func() error {
		if n++; f.host != f.engine || f.host == 115200 && n%3 != 1 {
			return ErrSilent
		}
		return nil
	})
	if !errors.Is(err, ErrRate) || f.host != 9600 || f.engine != 9600 {
		t.Errorf("%v, host at %d, engine at %d", err, f.host, f.engine)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		" V1\r\n 2\x00\x1b[2J\xff ": "V1 2[2J",
		"":                          "",
		strings.Repeat("A ", 4000):  strings.TrimSpace(strings.Repeat("A ", 40)),
	} {
		if got := Clean([]byte(in)); got != want {
			t.Errorf("%q cleaned to %q", in, got)
		}
	}
}

func TestFind(t *testing.T) {
	mark := func(b []byte) int {
		switch {
		case b[0] != '<':
			return -1
		case len(b) < 2:
			return 0
		case b[1] != '>':
			return -1
		}
		return 2
	}
	for _, c := range []struct {
		v    View
		want Piece
	}{
		{View{Bytes: []byte("A<>")}, Piece{Kind: Text, N: 3}},
		{View{Bytes: []byte("<>A"), Asked: []byte("?")}, Piece{Kind: Reply, N: 2}},
		{View{Bytes: []byte("A<>"), Asked: []byte("?")}, Piece{Kind: Text, N: 1}},
		{View{Bytes: []byte("<"), Asked: []byte("?")}, Piece{Kind: More}},
		{View{Bytes: []byte("A<"), Asked: []byte("?")}, Piece{Kind: Text, N: 1}},
		{View{Bytes: []byte("ABC"), Asked: []byte("?")}, Piece{Kind: Text, N: 3}},
		{View{Bytes: []byte("A<>\r<>"), Asked: []byte("?"), Lines: true}, Piece{Kind: Text, N: 4}},
		{View{Bytes: []byte("<>\r<>"), Asked: []byte("?"), Lines: true, Inside: true}, Piece{Kind: Text, N: 3}},
		{View{Bytes: []byte("<>"), Asked: []byte("?"), Inside: true}, Piece{Kind: Reply, N: 2}},
	} {
		got := Find(c.v, mark)
		if got.Kind != c.want.Kind || got.N != c.want.N {
			t.Errorf("%+v: %+v, want %+v", c.v, got, c.want)
		}
	}
}
