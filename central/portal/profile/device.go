package profile

import "strings"

// sign is how a browser or a device tells what it is; the first one that fits counts,
// as each calls itself by the names of those before it too.
type sign struct{ part, name string }

var browsers = []sign{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"MicroMessenger/", "WeChat"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}

var devices = []sign{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"CrOS", "Chromebook"}, {"Linux", "Linux"}}

// Device names a browser as its owner knows it, "Chrome, Android", by what it calls
// itself; of one that tells neither, that is all there is.
func Device(agent string) string {
	var known []string
	for _, list := range [][]sign{browsers, devices} {
		for _, s := range list {
			if strings.Contains(agent, s.part) {
				known = append(known, s.name)
				break
			}
		}
	}
	if len(known) == 0 {
		return agent
	}
	return strings.Join(known, ", ")
}
