//go:build never

// What is built of this module, so that `go mod tidy` keeps what it needs.
package programs

import (
	_ "github.com/opencontainers/runc"
)
