// Package bellhop is version 1 of the service's own protocol, on WebSockets and on
// event streams: asyncapi.yaml describes it for clients. All JSON that clients receive
// or send on a connection is written and read here.
package bellhop
