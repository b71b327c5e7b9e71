// The echo service on a Unix socket by grpc++'s asynchronous server: the peer of bench/unary.py.
//
//   grpc-cpp-echo --unix PATH
//
// One thread polls one completion queue, which costs the least processor time a call; its callback
// server and more threads cost more (docs/benchmarks.md). Prints "ready" once it listens.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "echo.grpc.pb.h"

using banger::test::v1::EchoRequest;
using banger::test::v1::EchoResponse;
using banger::test::v1::EchoService;

namespace {

enum { CALLS_WAITED_FOR = 512 };

// A call, from the wait for it to its end; then the next one.
class Call {
public:
    Call(EchoService::AsyncService *service, grpc::ServerCompletionQueue *queue)
        : service_(service), queue_(queue)
    {
        Wait();
    }

    void Proceed(bool ok)
    {
        if (ok && !answered_) {
            answered_ = true;
            response_.set_text(request_.text());
            response_.set_payload(request_.payload());
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
        service_->RequestUnary(context_.get(), &request_, responder_.get(), queue_, queue_, this);
    }

    EchoService::AsyncService *service_;
    grpc::ServerCompletionQueue *queue_;
    std::unique_ptr<grpc::ServerContext> context_;
    std::unique_ptr<grpc::ServerAsyncResponseWriter<EchoResponse>> responder_;
    EchoRequest request_;
    EchoResponse response_;
    bool answered_ = false;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3 || std::strcmp(argv[1], "--unix") != 0) {
        std::fprintf(stderr, "usage: %s --unix PATH\n", argv[0]);
        return 2;
    }
    EchoService::AsyncService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string("unix:") + argv[2], grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server)
        return 1;
    std::vector<std::unique_ptr<Call>> calls;
    for (int i = 0; i < CALLS_WAITED_FOR; i++)
        calls.emplace_back(new Call(&service, queue.get()));
    std::puts("ready");
    std::fflush(stdout);
    void *tag;
    bool ok;
    while (queue->Next(&tag, &ok))
        static_cast<Call *>(tag)->Proceed(ok);
    return 0;
}
