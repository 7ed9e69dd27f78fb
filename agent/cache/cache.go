// Package cache keeps what central signed and a lane needs to decide: status
// lists, rules, pass keys, gate keys, and the newest head.
//
// All of it can be fetched again, so a damaged file is set aside and the cache
// starts empty. Nothing on the decision's path touches the file: readers take
// the View.
package cache
