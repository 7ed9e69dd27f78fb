package device

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestStarved: time that this program did not get is none for the steel; other time is.
func TestStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s steelTime
		began := s.now()
		for range 100 {
			<-time.After(5 * time.Millisecond)
			s.now()
		}
		if d := s.now().Sub(began); d != 500*time.Millisecond {
			t.Errorf("%v of half a second", d)
		}
		<-time.After(3 * time.Second)
		if d := s.now().Sub(began); d != 500*time.Millisecond {
			t.Errorf("%v, and three seconds without a processor are none", d)
		}
		<-time.After(5 * time.Millisecond)
		if d := s.now().Sub(began); d != 505*time.Millisecond {
			t.Errorf("%v: it does not go on", d)
		}
	})
}
