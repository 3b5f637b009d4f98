// Package protocols shows that a second protocol runs on the transport, the hub, the
// service and the store as they are: its tests define one with another handshake,
// another envelope and authentication by the first message.
package protocols
