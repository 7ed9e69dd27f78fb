package letters

import "time"

// When letters are sent that nobody waits for, by the campus clock.
const (
	dayBegins = 9 // hour
	dayEnds   = 20
)

// Kinds of letters that nobody asked for.
const (
	adviceKind   = "password_advice"
	reminderKind = "password_reminder"
)

// Night reports whether people sleep, or may: then nothing is sent that nobody asked
// for. now is by the campus clock.
func Night(now time.Time) bool { return now.Hour() < dayBegins || now.Hour() >= dayEnds }

// Resting lists the kinds of letters that wait for the day at a time by the campus
// clock. What carries a code, or tells of a deed, never does.
func Resting(now time.Time) []string {
	if !Night(now) {
		return nil
	}
	return []string{adviceKind, reminderKind}
}
