package bundle

import (
	"context"
	"log/slog"
	"time"

	"shoal/batcher"
	"shoal/serving/predictionlog"
)

// settle looks where the ops run on each device, and makes the first runs on the devices that the probe has not used.
func (l *loader) settle(b *Bundle, c *batcher.Config, log *slog.Logger) error {
	sig := b.representative()
	for i, m := range b.members {
		b.report.Devices = append(b.report.Devices, m.String())
		if !l.SyntheticWarmup || sig == nil {
			continue
		}
		if err := m.verify(l.Engine, sig, log); err != nil {
			l.Devices.Fail(m.ID, err)
			return err
		}
		if i == 0 {
			continue
		}
		for sig, p := range b.proofs {
			switch {
			case p.nature.Writes != "":
			case p.batched.Load():
				probe(m.instances[0], sig, warmSizes(c), log)
			default:
				probeAlone(m.instances[0], sig, log)
			}
		}
	}
	return nil
}

// warmUpMembers runs the recorded requests on every device but the first, which takes them as any others: each by a batcher of its
// own, since of one batcher nobody knows which device it gives a request to.
func (l *loader) warmUpMembers(ctx context.Context, b *Bundle, c batcher.Config, log *slog.Logger) error {
	if !l.Warmup || len(b.members) == 1 {
		return nil
	}
	for _, m := range b.members[1:] {
		start := time.Now()
		own, err := batcher.New(c, executors([]*member{m}, l.wrap), l.Limiter, nil)
		if err != nil {
			return err
		}
		only := &Bundle{described: b.described, proofs: b.proofs, batcher: own}
		n, err := predictionlog.WarmUp(ctx, l.dir, only, predictionlog.WarmUpOptions{Iterations: l.WarmupIterations, CheckMethodName: l.CheckMethodNames, Logger: log})
		own.Close()
		if err != nil {
			return onDevice(m, len(b.members), err)
		}
		if n > 0 {
			log.Debug("recorded requests run", "device", m.String(), "records", n, "took", time.Since(start))
		}
	}
	return nil
}
