// Runs a command in a fresh VM and ends as the command does.
//
//	run [-context NAME | -socket PATH] COMMAND [ARGUMENT...]
//
// Over a Unix socket, or with a context that `banger auth enroll` made: over TCP with mutual TLS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	bangerv1 "banger.example/run/bangerv1"
)

const (
	callTimeout = 30 * time.Second
	bootTimeout = 5 * time.Minute
	ownError    = 125 // as the banger command has it: the fault is not the command's
)

type client struct {
	vms        bangerv1.VMServiceClient
	sessions   bangerv1.GuestSessionServiceClient
	operations bangerv1.OperationServiceClient
}

func newClient(conn *grpc.ClientConn) *client {
	return &client{
		vms:        bangerv1.NewVMServiceClient(conn),
		sessions:   bangerv1.NewGuestSessionServiceClient(conn),
		operations: bangerv1.NewOperationServiceClient(conn),
	}
}

// wait returns what an operation made, such as "vm/ID". It takes the call that starts one as it is.
func (c *client) wait(ctx context.Context, operation *bangerv1.Operation, err error) (string, error) {
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	done, err := c.operations.WaitOperation(ctx, &bangerv1.WaitOperationRequest{Operation: operation.Id})
	if err != nil {
		return "", err
	}
	if done.State != bangerv1.OperationState_OPERATION_STATE_SUCCEEDED {
		return "", fmt.Errorf("%s: %s", done.Kind, done.GetError().GetMessage())
	}
	return done.Result, nil
}

func (c *client) createVM(ctx context.Context) (string, error) {
	short, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// The request's id makes it safe to send again: there will be one VM all the same.
	operation, err := c.vms.CreateVM(short, &bangerv1.CreateVMRequest{RequestId: uuid.NewString()})
	result, err := c.wait(ctx, operation, err)
	return strings.TrimPrefix(result, "vm/"), err
}

func (c *client) deleteVM(ctx context.Context, vm string) error {
	short, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	operation, err := c.vms.DeleteVM(short,
		&bangerv1.DeleteVMRequest{RequestId: uuid.NewString(), Vm: vm, Force: true})
	_, err = c.wait(ctx, operation, err)
	return err
}

func (c *client) startSession(ctx context.Context, vm string, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	session, err := c.sessions.StartSession(ctx, &bangerv1.StartSessionRequest{
		RequestId: uuid.NewString(), Vm: vm, Spec: &bangerv1.SessionSpec{Argv: argv}})
	return session.GetId(), err
}

// follow prints the session's output and returns the exit status that a shell would give.
func (c *client) follow(ctx context.Context, session string) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.sessions.Attach(ctx)
	if err != nil {
		return 0, err
	}
	open := &bangerv1.AttachRequest_Open{Open: &bangerv1.AttachOpen{Session: session}}
	if err := stream.Send(&bangerv1.AttachRequest{Frame: open}); err != nil {
		return 0, err
	}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, errors.New("the daemon ended the stream without an exit")
		}
		if err != nil {
			return 0, err
		}
		switch frame := message.Frame.(type) {
		case *bangerv1.AttachResponse_Data:
			output := os.Stdout
			if frame.Data.Stream == bangerv1.OutputStream_OUTPUT_STREAM_STDERR {
				output = os.Stderr
			}
			if _, err := output.Write(frame.Data.Data); err != nil {
				return 0, err
			}
		case *bangerv1.AttachResponse_Gap:
			fmt.Fprintf(os.Stderr, "[%d bytes are lost: %s]\n", frame.Gap.To-frame.Gap.From, frame.Gap.Reason)
		case *bangerv1.AttachResponse_Lost:
			return 0, fmt.Errorf("the command was lost: %s", frame.Lost.Message)
		case *bangerv1.AttachResponse_Exit:
			end := frame.Exit.Exit
			if signal, ok := end.Kind.(*bangerv1.SessionExit_Signal); ok {
				return 128 + int(signal.Signal), nil
			}
			return int(end.GetCode()), nil
		}
	}
}

func run(ctx context.Context, conn *grpc.ClientConn, argv []string) (code int, err error) {
	c := newClient(conn)
	vm, err := c.createVM(ctx)
	if err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, c.deleteVM(ctx, vm))
	}()
	session, err := c.startSession(ctx, vm, argv)
	if err != nil {
		return 0, err
	}
	return c.follow(ctx, session)
}

// describe tells a failed call with banger's own word for it, where there is one.
func describe(err error) string {
	var failed interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &failed) {
		return err.Error()
	}
	s := failed.GRPCStatus()
	word := s.Code().String()
	for _, detail := range s.Details() {
		if info, ok := detail.(*bangerv1.ErrorInfo); ok && info.Reason != "" {
			word = info.Reason
		}
	}
	return fmt.Sprintf("%s (%s)", s.Message(), word)
}

func main() {
	socket := os.Getenv("BANGER_SOCKET")
	if socket == "" {
		socket = "/run/banger/bangerd.sock"
	}
	name := flag.String("context", "", "a `host` that banger auth enroll knows")
	flag.StringVar(&socket, "socket", socket, "the `path` of a local daemon's socket")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	code := ownError
	conn, err := connect(*name, socket)
	if err == nil {
		var exit int
		if exit, err = run(context.Background(), conn, flag.Args()); err == nil {
			code = exit
		}
		conn.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", describe(err))
	}
	os.Exit(code)
}
