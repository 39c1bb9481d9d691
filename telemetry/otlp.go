package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	goruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/semconv/v1.40.0"
)

// The supported values of OTEL_EXPORTER_OTLP_PROTOCOL.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf" // OpenTelemetry's default
)

// signal is "TRACES" or "METRICS", as in the names of the OTEL_* variables.
type signal string

// on reports whether the signal is sent: if the variables name an endpoint for it or for all signals, or OTLP as its exporter,
// and do not switch it off. The exporters themselves read the endpoint, headers, certificates, timeouts and intervals.
func (s signal) on() bool {
	switch {
	case strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true"), os.Getenv("OTEL_"+string(s)+"_EXPORTER") == "none":
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_"+string(s)+"_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
		os.Getenv("OTEL_"+string(s)+"_EXPORTER") == "otlp"
}

// endpoint returns where the variables say to send it.
func (s signal) endpoint() string {
	named := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_"+string(s)+"_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	if at, err := url.Parse(named); err == nil && named != "" {
		return at.Redacted()
	}
	return "OpenTelemetry's default endpoint"
}

// protocol returns the protocol to send it with.
func (s signal) protocol() (string, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + string(s) + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch p := os.Getenv(name); p {
		case "":
		case protocolGRPC, protocolHTTP:
			return p, nil
		default:
			return "", fmt.Errorf("%s: the protocol %q is not supported: use %s or %s", name, p, protocolGRPC, protocolHTTP)
		}
	}
	return protocolHTTP, nil
}

// newPush sends the metrics every OTEL_METRIC_EXPORT_INTERVAL. It returns nil if there is no endpoint for them.
func newPush(ctx context.Context, o Options, p sdkmetric.Producer) (*sdkmetric.MeterProvider, error) {
	const metrics = signal("METRICS")
	if !metrics.on() {
		return nil, nil
	}
	protocol, err := metrics.protocol()
	if err != nil {
		return nil, err
	}
	var exporter sdkmetric.Exporter
	if protocol == protocolGRPC {
		exporter, err = otlpmetricgrpc.New(ctx)
	} else {
		exporter, err = otlpmetrichttp.New(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("OTLP metrics: %w", err)
	}
	handleErrors(o.Logger)
	o.Logger.Info("metrics are sent", slog.String("to", metrics.endpoint()))
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(p))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(describe(ctx, o)))
	// The metrics of Go's runtime have OpenTelemetry's names when they are pushed. On the pages they have Prometheus' names.
	return provider, goruntime.Start(goruntime.WithMeterProvider(provider))
}

func newSpanExporter(ctx context.Context) (*otlptrace.Exporter, error) {
	protocol, err := signal("TRACES").protocol()
	if err != nil {
		return nil, err
	}
	if protocol == protocolGRPC {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

// describe names the sender: shoal, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES name another one.
func describe(ctx context.Context, o Options) *resource.Resource {
	r, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("shoal"), semconv.ServiceVersion(o.Version)), resource.WithFromEnv())
	if err != nil {
		o.Logger.Warn("OTEL_RESOURCE_ATTRIBUTES or the host's name could not be read", slog.Any("error", err))
	}
	return r
}

// handleErrors logs what the SDK cannot return, such as a collector that does not answer.
func handleErrors(log *slog.Logger) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("OpenTelemetry", slog.Any("error", err)) }))
}
