package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"time"
)

// StaticPattern is the route, below a site's Base, of the files that its pages load.
const StaticPattern = "/static/{name}"

// Assets are files that pages load, each with a name for its content.
type Assets struct {
	base string
	data map[string][]byte
	tags map[string]string
}

// ReadAssets reads the files of a pattern, for a site with this base.
func ReadAssets(base string, files fs.FS, pattern string) (*Assets, error) {
	a := &Assets{base, map[string][]byte{}, map[string]string{}}
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read asset: %w", err)
		}
		a.Add(path.Base(name), data)
	}
	return a, nil
}

// Add adds a file, before the site serves.
func (a *Assets) Add(name string, data []byte) {
	sum := sha256.Sum256(data)
	a.data[name], a.tags[name] = data, hex.EncodeToString(sum[:8])
}

// Data returns a file's content, nil if there is none of the name.
func (a *Assets) Data(name string) []byte { return a.data[name] }

// URL is the address of a file; it changes with the content.
func (a *Assets) URL(name string) string {
	return a.base + "/static/" + url.PathEscape(name) + "?v=" + a.tags[name]
}

// ServeAsset serves a file of StaticPattern; with the content's name in its URL it
// never changes.
func ServeAsset(x *Exchange) error {
	a, name := x.site.Files, x.PathValue("name")
	data := a.data[name]
	if data == nil {
		return x.Missing()
	}
	h := x.Writer.Header()
	h.Set("ETag", `"`+a.tags[name]+`"`)
	h.Set("Cache-Control", "no-cache")
	if x.URL.Query().Get("v") == a.tags[name] {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(x.Writer, x.Request, name, time.Time{}, bytes.NewReader(data))
	return nil
}
