package service

import (
	"context"
	"errors"
	"time"
)

// Upkeep does once what the holder of the lease does from time to time.
func (s *Service) Upkeep(ctx context.Context) error {
	_, err := s.releaseDue(ctx)
	return errors.Join(err, s.cleanUp(ctx, time.Now()))
}
