package web

import (
	"encoding/json"
	"net/http"

	"turnstile/agent/display"
	"turnstile/central/console/lanes"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// explained is what scripts show for something that a lane wrote down.
type explained struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	Next    string `json:"next"` // what the guard or the office does
}

// spoken is a reason: what staff are told of it, and what the person at the lane is.
type spoken struct {
	explained
	Shown display.Words `json:"shown"`
}

func explain(w office.Words) explained {
	return explained{w.Name.English, w.Meaning.English, w.Next.English}
}

// words answers with the product's own texts by the names that a View has: of
// reasons, of entries of the ledger, and of warnings of lane controllers.
func words(w http.ResponseWriter, _ *http.Request) {
	var all struct {
		Reasons  map[string]spoken    `json:"reasons"`
		Entries  map[string]explained `json:"entries"`
		Warnings map[string]explained `json:"warnings"`
	}
	all.Reasons, all.Entries, all.Warnings = map[string]spoken{}, map[string]explained{}, map[string]explained{}
	for _, r := range pass.Reasons() {
		all.Reasons[r.String()] = spoken{explain(office.ReasonWords(r)), display.WordsOf(r)}
	}
	for _, t := range office.EntryTypes() {
		all.Entries[office.EntryTypeName(t)] = explain(office.EntryWords(t))
	}
	for code, words := range lanes.WarningWords() {
		all.Warnings[code] = explain(words)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(all) // the browser may have gone
}
