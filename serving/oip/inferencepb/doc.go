// Package inferencepb has the messages of the Open Inference Protocol by gRPC. inference.proto describes them, `make proto` writes the Go.
package inferencepb
