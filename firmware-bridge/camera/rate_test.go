package camera_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"turnstile/firmware-bridge/camera"
	"turnstile/firmware-bridge/camera/cameratest"
)

// heldOut is the seed of the pictures. The ladder was built on other seeds (1
// and 2): do not tune it on this one.
const heldOut = 20261122

const (
	wholeSet = 240
	fewOfSet = 30 // what go test looks at
	// leastOfFew is how many of them the ladder must read, and leastMore how
	// many more than gozxing reads by itself.
	leastOfFew = 22
	leastMore  = 5
)

// shot is one picture and what it shows.
type shot struct {
	text  string
	frame camera.Frame
}

// codeText returns a text as long as a pass's code.
func codeText(r *rand.Rand) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, 141)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// shots draws n pictures, each from its own part of the seed.
func shots(t testing.TB, seed uint64, n int) []shot {
	t.Helper()
	all := make([]shot, n)
	for i := range all {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		all[i].text = codeText(r)
		s, err := cameratest.Draw(all[i].text)
		if err != nil {
			t.Fatal(err)
		}
		all[i].frame = cameratest.Picture(s, cameratest.Random(r), r)
	}
	return all
}

// single is gozxing as its documentation shows it: one try.
func single(f camera.Frame) string {
	src, err := gozxing.NewPlanarYUVLuminanceSource(f.Pix, f.Width, f.Height, 0, 0, f.Width, f.Height, false)
	if err != nil {
		return ""
	}
	bmp, err := gozxing.NewBinaryBitmap(gozxing.NewHybridBinarizer(src))
	if err != nil {
		return ""
	}
	r, err := qrcode.NewQRCodeReader().Decode(bmp, nil)
	if err != nil {
		return ""
	}
	return r.GetText()
}

func whole(t testing.TB, f camera.Frame) string {
	var d camera.Decoder // a fresh one: what it learned from others does not count
	text, _, err := d.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// count returns how many shots read reads right. It fails on one read wrong.
func count(t testing.TB, all []shot, read func(camera.Frame) string) (right int) {
	t.Helper()
	for i, s := range all {
		switch read(s.frame) {
		case s.text:
			right++
		case "":
		default:
			t.Errorf("picture %d was read as something else", i)
		}
	}
	return right
}

func TestEachPictureIsTried(t *testing.T) {
	few := shots(t, heldOut, fewOfSet)
	alone := count(t, few, single)
	all := count(t, few, func(f camera.Frame) string { return whole(t, f) })
	t.Logf("of %d distorted pictures the ladder reads %d, one try %d", len(few), all, alone)
	if all < leastOfFew || all < alone+leastMore {
		t.Errorf("the ladder reads %d, want %d and %d more than the %d of one try", all, leastOfFew, leastMore, alone)
	}
}

// A code that stays in view is read though each frame is tried in two ways only,
// by the way that needs it.
func TestEachRotationReadsWhatTheLadderReads(t *testing.T) {
	reads := 0
	for i, s := range shots(t, heldOut, fewOfSet/3) {
		if whole(t, s.frame) == "" {
			continue
		}
		var d camera.Decoder
		got := ""
		for range 8 {
			text, ok, err := d.Read(s.frame)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got = text
				break
			}
		}
		if got != s.text {
			t.Errorf("picture %d was not read in 8 frames", i)
		}
		reads++
	}
	if reads < 5 {
		t.Errorf("only %d pictures", reads)
	}
}

// BenchmarkDecode reports what part of the 240 pictures each way of reading
// reads: the ladder, one try of gozxing, and zxing-cpp with its defaults, whose
// ZXingReader is in Debian's package zxing-cpp-tools.
func BenchmarkDecode(b *testing.B) {
	all := shots(b, heldOut, wholeSet)
	b.Run("ladder", func(b *testing.B) { rate(b, all, func(f camera.Frame) string { return whole(b, f) }) })
	b.Run("one-try", func(b *testing.B) { rate(b, all, single) })
	b.Run("frame", func(b *testing.B) {
		var d camera.Decoder
		rate(b, all, func(f camera.Frame) string { text, _, _ := d.Read(f); return text })
	})
	b.Run("zxing-cpp", func(b *testing.B) { zxing(b, all) })
}

func rate(b *testing.B, all []shot, read func(camera.Frame) string) {
	b.ReportAllocs()
	right := 0
	for b.Loop() {
		right = count(b, all, read)
	}
	report(b, all, right)
}

func report(b *testing.B, all []shot, right int) {
	b.ReportMetric(float64(right)/float64(len(all)), "decoded/picture")
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*len(all)), "ms/picture")
}

// zxing has one process of ZXingReader read all pictures from files that cost
// nothing to unpack.
func zxing(b *testing.B, all []shot) {
	program, err := exec.LookPath("ZXingReader")
	if err != nil {
		b.Fatalf("%v: apt-get install zxing-cpp-tools", err)
	}
	dir, args := b.TempDir(), []string{"-1"}
	for i, s := range all {
		path := filepath.Join(dir, fmt.Sprintf("%03d.pgm", i))
		head := fmt.Appendf(nil, "P5\n%d %d\n255\n", s.frame.Width, s.frame.Height)
		if err := os.WriteFile(path, append(head, s.frame.Pix...), 0o600); err != nil {
			b.Fatal(err)
		}
		args = append(args, path)
	}
	right := 0
	for b.Loop() {
		out, _ := exec.Command(program, args...).Output() // it ends with an error when one is not read
		right = 0
		for _, s := range all {
			if strings.Contains(string(out), s.text) {
				right++
			}
		}
	}
	report(b, all, right)
}

// BenchmarkFrame is one frame with nothing in it: what a camera costs all day.
func BenchmarkFrame(b *testing.B) {
	s, err := cameratest.Draw("A")
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	empty := cameratest.Straight()
	empty.Dark, empty.Noise = empty.Light, 8
	f := cameratest.Picture(s, empty, r)
	f.At = time.Now()
	b.ReportAllocs()
	var d camera.Decoder
	for b.Loop() {
		if _, ok, err := d.Read(f); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
