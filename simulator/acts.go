package main

import (
	"fmt"

	"turnstile/simulator/campus"
)

type actsCmd struct{}

// Run prints what can be done on a campus, as scenarios and the page's line have it.
func (actsCmd) Run() error {
	_, err := fmt.Print(campus.Manual())
	return err
}
