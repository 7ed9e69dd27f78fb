package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"
)

//go:embed static/*.js static/*.css
var static embed.FS

// assets are the files that all pages load, each with a name for its content.
type assets struct {
	data map[string][]byte
	tags map[string]string
}

func readAssets() (*assets, error) {
	a := &assets{map[string][]byte{}, map[string]string{}}
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	for _, name := range names {
		data, err := static.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read asset: %w", err)
		}
		sum := sha256.Sum256(data)
		short := name[len("static/"):]
		a.data[short], a.tags[short] = data, hex.EncodeToString(sum[:8])
	}
	return a, nil
}

func (a *assets) url(name string) string {
	return Base + "/static/" + url.PathEscape(name) + "?v=" + a.tags[name]
}

// static serves a file; with the content's name in its URL it never changes.
func (c *Console) static(r *Request) error {
	name := r.PathValue("name")
	data := c.files.data[name]
	if data == nil {
		return r.missing()
	}
	h := r.Writer.Header()
	h.Set("ETag", `"`+c.files.tags[name]+`"`)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == c.files.tags[name] {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(r.Writer, r.Request, name, time.Time{}, bytes.NewReader(data))
	return nil
}

func signInPath(back string, again bool) string {
	q := url.Values{"next": {back}}
	if again {
		q.Set("again", "1")
	}
	return "/sign-in?" + q.Encode()
}
