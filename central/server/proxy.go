package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwarded are the headers by which a reverse proxy tells who its client is.
// Anybody can write them, so they count from configured proxies alone.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// maxHops bounds the addresses that are looked at in one header.
const maxHops = 32

// behindProxies gives the handler requests as their client sent them: the address
// is that of the nearest hop that is not one of the proxies, and a request that
// the last proxy got over HTTPS counts as such. What others write in these
// headers is removed.
func behindProxies(proxies []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		if peer, port := addressOf(r.RemoteAddr); trusts(proxies, peer) {
			client := clientOf(proxies, peer, r.Header.Values("X-Forwarded-For"))
			r.RemoteAddr = net.JoinHostPort(client.String(), port)
			if r.TLS == nil && lastOf(r.Header.Values("X-Forwarded-Proto")) == "https" {
				// Whoever asks whether the browser's connection is safe looks here.
				r.TLS = &tls.ConnectionState{}
			}
		}
		for _, h := range forwarded {
			r.Header.Del(h)
		}
		next.ServeHTTP(w, r)
	})
}

func addressOf(hostport string) (addr netip.Addr, port string) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = hostport, "0"
	}
	addr, err = netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, port
	}
	return addr.Unmap().WithZone(""), port
}

func trusts(proxies []netip.Prefix, a netip.Addr) bool {
	for _, p := range proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// clientOf walks back from the peer along what each proxy wrote down: each one
// appends the address that it was called from, and only proxies are believed.
func clientOf(proxies []netip.Prefix, peer netip.Addr, headers []string) netip.Addr {
	hops := strings.Split(strings.Join(headers, ","), ",")
	for i := 0; i < min(len(hops), maxHops) && trusts(proxies, peer); i++ {
		hop := strings.TrimSpace(hops[len(hops)-1-i])
		next, _ := addressOf(hop)
		if !next.IsValid() {
			return peer // the nearest one that is known
		}
		peer = next
	}
	return peer
}

func lastOf(headers []string) string {
	all := strings.Split(strings.Join(headers, ","), ",")
	return strings.ToLower(strings.TrimSpace(all[len(all)-1]))
}

// parseProxies reads the addresses and networks of the setting http.proxies.
func parseProxies(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err != nil {
				return nil, fmt.Errorf("%q is no address and no network as 10.0.0.0/8", text)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
