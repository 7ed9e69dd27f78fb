package audit

import (
	"errors"
	"slices"
	"testing"
)

// log returns a good chain.
func log(n int) []Entry {
	var list []Entry
	var head Hash
	for i := range n {
		e := Next(head, Entry{Number: int64(i + 1), At: 1795233600000 + int64(i), By: "user:chan", Action: "revoke", Subject: "2026-11-21/000211", Detail: "lost phone"})
		list, head = append(list, e), e.Hash
	}
	return list
}

func verify(list []Entry) (Verifier, error) {
	var v Verifier
	for _, e := range list {
		if err := v.Add(e); err != nil {
			return v, err
		}
	}
	return v, nil
}

// TestEachChangeIsFound changes each field of each entry, and the order.
func TestEachChangeIsFound(t *testing.T) {
	const n = 6
	if v, err := verify(log(n)); err != nil || v.Number != n {
		t.Fatal(v, err)
	}
	changes := map[string]func(*Entry){
		"number": func(e *Entry) { e.Number += 100 }, "at": func(e *Entry) { e.At++ }, "by": func(e *Entry) { e.By = "user:lee" },
		"action": func(e *Entry) { e.Action = "hold" }, "subject": func(e *Entry) { e.Subject += "1" }, "detail": func(e *Entry) { e.Detail = "" },
		"salt": func(e *Entry) { e.Salt[0] ^= 1 }, "short salt": func(e *Entry) { e.Salt = e.Salt[:8] }, "content": func(e *Entry) { e.Content[31] ^= 1 },
		"hash": func(e *Entry) { e.Hash[0] ^= 1 }, "erased in part": func(e *Entry) { e.Salt, e.Subject = nil, "" },
		// A border between two texts is part of what is hashed.
		"moved text":        func(e *Entry) { e.Subject, e.Detail = e.Subject+e.Detail[:1], e.Detail[1:] },
		"written anew":      func(e *Entry) { e.By = "user:lee"; e.Content = e.content() },
		"erased by another": func(e *Entry) { e.Salt, e.Subject, e.Detail, e.By = nil, "", "", "user:lee" },
	}
	tried := 0
	for name, change := range changes {
		for at := range n {
			list := log(n)
			list[at].Salt = slices.Clone(list[at].Salt)
			change(&list[at])
			_, err := verify(list)
			var f *Fault
			if !errors.Is(err, ErrBroken) || !errors.As(err, &f) || f.Number > int64(at+1) {
				t.Errorf("%s of entry %d: %v", name, at+1, err)
			}
			tried++
		}
	}
	if tried != 14*n {
		t.Errorf("%d tries", tried)
	}
	for name, list := range map[string][]Entry{
		"a missing one": slices.Delete(log(n), 2, 3), "no first": log(n)[1:], "one twice": slices.Insert(log(n), 2, log(n)[2]),
		"another's end": append(log(3), log(n)[3:]...),
	} {
		if _, err := verify(list); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErasedStaysWhole(t *testing.T) {
	list := log(3)
	list[1].Salt, list[1].Subject, list[1].Detail = nil, "", ""
	if v, err := verify(list); err != nil || v.Erased != 1 || v.Number != 3 {
		t.Error(v, err)
	}
}
