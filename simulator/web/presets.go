package web

// preset is somebody who can be made by one click. In Lines, {name} stands for a fresh
// name, {lane} for the chosen lane, and {other} for a zone that is not its own.
type preset struct {
	Label   string
	About   string
	Stem    string // of the name
	Lines   []string
	Which   string // what is held before the scanner, as in the act scan: "" for the phone
	Reasons []string
}

// presets are the people that a guard has to have met.
func presets() []preset {
	return []preset{
		{"Student's eCard", "Good today at all entrances.", "student", []string{"issue {name} ecard"}, "", []string{"GRANTED"}},
		{"Guest", "A code that a host shared: good for one entry.", "guest", []string{"issue {name} guest entries=1"}, "", []string{"GRANTED"}},
		{"Live code", "The symbol on the phone is another one every 15 seconds.", "live", []string{"issue {name} ecard live=yes"}, "", []string{"GRANTED"}},
		{"Staff", "Good today at all entrances.", "staff", []string{"issue {name} staff"}, "", []string{"GRANTED"}},
		{"Supervisor's", "A printed code that opens the chosen lane once, by hand.", "supervisor", []string{"supervisor {lane} {name} open-in"}, "", []string{"GRANTED"}},
		{"Tomorrow's", "Good, but not yet.", "early", []string{"issue {name} ecard day=tomorrow"}, "", []string{"TOO_EARLY"}},
		{"Expired", "Its hours are over: they were just after midnight.", "late", []string{"issue {name} guest from=00:00 for=10m"}, "", []string{"EXPIRED"}},
		{"Forged", "A bit of the signature is wrong.", "forger", []string{"issue {name} ecard", "forge {name} signature"}, "forged", []string{"FORGED"}},
		{"Revoked", "A card that was reported lost.", "revoked", []string{"issue {name} ecard", `revoke {name} reason="lost phone"`}, "", []string{"REVOKED"}},
		{"Held", "The office wants to talk to the holder.", "held", []string{"issue {name} ecard", "hold {name}"}, "", []string{"HELD"}},
		{"Wrong zone", "Good, but at another entrance.", "astray", []string{"issue {name} ecard zones={other}"}, "", []string{"WRONG_ZONE"}},
		{"Screenshot", "A picture of a live code whose holder has just gone in.", "shared", []string{"issue {name} ecard live=yes exempt=yes", "shot {name}", "scan {lane} {name}", "wait 4s"}, "shot", []string{"LIVE_REPLAYED", "LIVE_STALE"}},
		{"Used guest code", "Its one entry is used up.", "again", []string{"issue {name} guest entries=1", "scan {lane} {name}", "wait 4s"}, "", []string{"ALREADY_USED"}},
		{"Foreign QR", "The code of a menu on a poster.", "poster", []string{"issue {name} ecard", "forge {name} foreign"}, "forged", []string{"FOREIGN"}},
		{"Damaged print", "A sheet with a hole in the code.", "torn", []string{"issue {name} ecard", "forge {name} damaged"}, "forged", []string{"MALFORMED"}},
	}
}
