package officetest

import (
	"testing"
	"time"
)

func TestFake(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, HongKong)
	Suite(t, New(func() time.Time { return now }).Services(), now)
}
