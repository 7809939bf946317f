// A run of one agent with 250 tool calls, by OpenTelemetry's SDK and exporters for Go; prints its trace id.
// Arguments: http or grpc, host:port, none or gzip.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := newExporter(ctx, os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxExportBatchSize(100)),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"))),
	)
	tracer := provider.Tracer("tests", trace.WithInstrumentationVersion("1.0"))

	within, root := tracer.Start(ctx, "invoke_agent planner", trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "invoke_agent"), attribute.String("gen_ai.agent.name", "planner")))
	for number := range 250 {
		_, span := tracer.Start(within, "execute_tool search", trace.WithAttributes(
			attribute.String("gen_ai.operation.name", "execute_tool"), attribute.Int("number", number),
			attribute.StringSlice("words", []string{"a", "b"}), attribute.Float64("share", 0.5),
			attribute.Bool("done", true)))
		span.AddEvent("found", trace.WithAttributes(attribute.Int("hits", number)))
		span.End()
	}
	root.End()
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(root.SpanContext().TraceID())
}

func newExporter(ctx context.Context, transport, endpoint, compression string) (sdktrace.SpanExporter, error) {
	if transport == "grpc" {
		options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(endpoint), otlptracegrpc.WithInsecure()}
		if compression == "gzip" {
			options = append(options, otlptracegrpc.WithCompressor("gzip"))
		}
		return otlptracegrpc.New(ctx, options...)
	}
	compressor := otlptracehttp.NoCompression
	if compression == "gzip" {
		compressor = otlptracehttp.GzipCompression
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure(),
		otlptracehttp.WithCompression(compressor))
}
