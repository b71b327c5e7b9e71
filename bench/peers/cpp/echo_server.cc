// The echo service by grpc++'s asynchronous server: a peer of the benchmarks.
//
//   grpc-cpp-echo --unix PATH [--certs FOLDER]
//
// Prints "ready" once it listens. With certificates it listens on 127.0.0.1 too, in plain text and
// with mutual TLS, and prints "ready PORT TLS_PORT". One thread polls one completion queue, which
// costs the least processor time a call; its callback server and more threads cost more
// (docs/benchmarks.md).
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "echo.grpc.pb.h"

using banger::test::v1::EchoRequest;
using banger::test::v1::EchoResponse;
using banger::test::v1::EchoService;

namespace {

enum { CALLS_WAITED_FOR = 512, STREAMS_WAITED_FOR = 64 };

struct Server {
    EchoService::AsyncService service;
    std::unique_ptr<grpc::ServerCompletionQueue> queue;
};

// What the queue tells about.
class Step {
public:
    virtual ~Step() = default;
    virtual void Proceed(bool ok) = 0;
};

// A call, from the wait for it to its end; then the next one.
class Call : public Step {
public:
    explicit Call(Server *server) : server_(server) { Wait(); }

    void Proceed(bool ok) override
    {
        if (ok && !answered_) {
            answered_ = true;
            response_.mutable_text()->swap(*request_.mutable_text());
            response_.mutable_payload()->swap(*request_.mutable_payload());
            response_.set_seq(1);
            responder_->Finish(response_, grpc::Status::OK, this);
        } else {
            Wait();
        }
    }

private:
    void Wait()
    {
        answered_ = false;
        responder_.reset();
        context_.reset(new grpc::ServerContext);
        responder_.reset(new grpc::ServerAsyncResponseWriter<EchoResponse>(context_.get()));
        server_->service.RequestUnary(context_.get(), &request_, responder_.get(),
                                      server_->queue.get(), server_->queue.get(), this);
    }

    Server *server_;
    std::unique_ptr<grpc::ServerContext> context_;
    std::unique_ptr<grpc::ServerAsyncResponseWriter<EchoResponse>> responder_;
    EchoRequest request_;
    EchoResponse response_;
    bool answered_ = false;
};

// A bidirectional stream: reads a message, writes it, reads the next.
class Stream : public Step {
public:
    explicit Stream(Server *server) : server_(server) { Wait(); }

    void Proceed(bool ok) override
    {
        if (state_ == FINISHING || (state_ == WAITING && !ok)) {
            Wait();
        } else if (!ok) {
            state_ = FINISHING;
            stream_->Finish(grpc::Status::OK, this);
        } else if (state_ == READING) {
            total_bytes_ += request_.payload().size();
            response_.mutable_text()->swap(*request_.mutable_text());
            response_.mutable_payload()->swap(*request_.mutable_payload());
            response_.set_seq(++seq_);
            response_.set_total_bytes(total_bytes_);
            state_ = WRITING;
            stream_->Write(response_, this);
        } else {
            state_ = READING;
            stream_->Read(&request_, this);
        }
    }

private:
    enum State { WAITING, READING, WRITING, FINISHING };

    void Wait()
    {
        state_ = WAITING;
        seq_ = total_bytes_ = 0;
        stream_.reset();
        context_.reset(new grpc::ServerContext);
        stream_.reset(
            new grpc::ServerAsyncReaderWriter<EchoResponse, EchoRequest>(context_.get()));
        server_->service.RequestBidi(context_.get(), stream_.get(), server_->queue.get(),
                                     server_->queue.get(), this);
    }

    Server *server_;
    std::unique_ptr<grpc::ServerContext> context_;
    std::unique_ptr<grpc::ServerAsyncReaderWriter<EchoResponse, EchoRequest>> stream_;
    EchoRequest request_;
    EchoResponse response_;
    State state_ = WAITING;
    uint64_t seq_ = 0, total_bytes_ = 0;
};

std::string ReadFile(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    if (!in)
        throw std::runtime_error("cannot read " + path);
    return std::string(std::istreambuf_iterator<char>(in), {});
}

std::shared_ptr<grpc::ServerCredentials> MutualTls(const std::string &folder)
{
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = ReadFile(folder + "/ca.pem");
    options.pem_key_cert_pairs.push_back(
        {ReadFile(folder + "/server.key"), ReadFile(folder + "/server.pem")});
    return grpc::SslServerCredentials(options);
}

int Serve(const std::string &path, const std::string &certs)
{
    Server server;
    int port = 0, tls_port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
    if (!certs.empty()) {
        builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
        builder.AddListeningPort("127.0.0.1:0", MutualTls(certs), &tls_port);
    }
    builder.RegisterService(&server.service);
    server.queue = builder.AddCompletionQueue();
    std::unique_ptr<grpc::Server> running = builder.BuildAndStart();
    if (!running)
        return 1;
    std::vector<std::unique_ptr<Step>> steps;
    for (int i = 0; i < CALLS_WAITED_FOR; i++)
        steps.emplace_back(new Call(&server));
    for (int i = 0; i < STREAMS_WAITED_FOR; i++)
        steps.emplace_back(new Stream(&server));
    if (certs.empty())
        std::puts("ready");
    else
        std::printf("ready %d %d\n", port, tls_port);
    std::fflush(stdout);
    void *tag;
    bool ok;
    while (server.queue->Next(&tag, &ok))
        static_cast<Step *>(tag)->Proceed(ok);
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if ((argc != 3 && argc != 5) || std::strcmp(argv[1], "--unix") != 0 ||
        (argc == 5 && std::strcmp(argv[3], "--certs") != 0)) {
        std::fprintf(stderr, "usage: %s --unix PATH [--certs FOLDER]\n", argv[0]);
        return 2;
    }
    try {
        return Serve(argv[2], argc == 5 ? argv[4] : "");
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 1;
    }
}
