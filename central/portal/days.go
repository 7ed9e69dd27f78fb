package portal

import (
	"fmt"
	"time"
)

// DayTitle names a day in words: Sunday, 22 November 2026.
func DayTitle(lang Language, day time.Time) string {
	if lang == Chinese {
		return fmt.Sprintf("%d年%d月%d日 星期%c", day.Year(), day.Month(), day.Day(), []rune("日一二三四五六")[day.Weekday()])
	}
	return day.Format("Monday, 2 January 2006")
}

// Hours names a span of campus time: 07:00–23:00; an end at the midnight behind the
// begin's day is 24:00.
func Hours(from, until time.Time) string {
	end := until.Format("15:04")
	if midnight := time.Date(from.Year(), from.Month(), from.Day()+1, 0, 0, 0, 0, from.Location()); until.Equal(midnight) {
		end = "24:00"
	}
	return from.Format("15:04") + "–" + end
}
