module github.com/bellhop/bellhop/test/load/bench

go 1.26.8

require (
	github.com/bellhop/bellhop v0.0.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/klauspost/compress v1.20.1 // indirect
	github.com/nats-io/nats.go v1.55.0 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	golang.org/x/crypto v0.57.0 // indirect
)

replace github.com/bellhop/bellhop => ../../..
