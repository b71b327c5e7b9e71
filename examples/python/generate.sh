#!/bin/sh
# Makes the stubs from the .proto files, into stubs/.
#
#   generate.sh [PYTHON [PROTO_FOLDER]]
set -eu
cd "$(dirname "$0")"
python=${1:-python3} protos=${2:-../../proto}
rm -rf stubs
mkdir stubs
# Folders of a name become packages without __init__.py.
"$python" -m grpc_tools.protoc -I "$protos" --python_out=stubs --grpc_python_out=stubs "$protos"/banger/v1/*.proto
