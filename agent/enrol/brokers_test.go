package enrol

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"turnstile/central/link"
)

func TestBrokers(t *testing.T) {
	for list, want := range map[string]int{
		"ssl://a:1": 1, "ssl://a:1,ssl://[::1]:2,ssl://c.example:3": 3, strings.Repeat("ssl://a:1,", 15) + "ssl://a:1": 16,
		"": 0, "ssl://a": 0, "tcp://a:1": 0, "ssl://a:1,": 0, "ssl://a:1, ssl://b:1": 0, "ssl://a:1/x": 0, "ssl://u@a:1": 0, strings.Repeat("ssl://a:1,", 16) + "ssl://a:1": 0,
	} {
		nodes, err := Brokers(list)
		if len(nodes) != want || want == 0 && !errors.Is(err, ErrBroker) {
			t.Errorf("%q: %v, %v", list, nodes, err)
		}
	}
}

// TestEnrolAtCluster: the lane keeps all nodes that central names; what is no
// address is refused.
func TestEnrolAtCluster(t *testing.T) {
	nodes := []string{"ssl://b1.example:8883", "ssl://b2.example:8883"}
	a := newAuthority(t)
	a.answer = func(r *link.EnrolRequest) (int, any) {
		answer := a.admit(t, r)
		answer.Broker, answer.Brokers = nodes[0], nodes
		return http.StatusOK, answer
	}
	address := a.serve(t)
	i, err := Enrol(t.Context(), address, link.NewEnrolToken(a.hash()), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Brokers(i.Broker); err != nil || !slices.Equal(got, nodes) {
		t.Errorf("%q, %v", i.Broker, err)
	}
	nodes[1] = "http://b2.example"
	if _, err := Enrol(t.Context(), address, link.NewEnrolToken(a.hash()), t.TempDir()); !errors.Is(err, ErrAnswer) {
		t.Errorf("got %v, want ErrAnswer", err)
	}
}

func FuzzBrokers(f *testing.F) {
	for _, s := range []string{"ssl://a:1", "ssl://a:1,ssl://b:2", "", ",", "ssl://[::1]:8883", "ssl://a:1/../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		nodes, err := Brokers(list)
		if err == nil && (len(nodes) == 0 || len(nodes) > maxBrokers || strings.Join(nodes, ",") != list) {
			t.Errorf("%q became %q", list, nodes)
		}
	})
}
