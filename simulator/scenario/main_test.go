package scenario

import (
	"flag"
	"os"
	"testing"
)

// side is how many scenarios are played side by side: they wait for wires and people
// most of the time.
const side = "5"

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", side) // the flag is there, and takes any number
	os.Exit(m.Run())
}
