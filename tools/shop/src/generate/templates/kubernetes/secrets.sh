# Prints every Secret that the base refers to, with new random passwords. Written by `cargo shop generate` from services.toml.
#
#   sh deploy/kubernetes/secrets.sh | kubectl create -n shop -f -
#
# `create`, not `apply`: a second run makes what is new and changes no password that is there. docs/operations.md says how to change
# one. Where a vault keeps your secrets, let it make the same names and keys.
#
# MAIL_URL is the address of the mail server (smtps://user:password@mail.example.com), by default that of overlays/one-node.
set -eu

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# Of a role of PostgreSQL, with its address: the operator gives the password to the role, the program reads the address.
role() {
    password=$(random)
    cat <<EOF
---
apiVersion: v1
kind: Secret
metadata:
  name: postgres-$(echo "$1" | tr _ -)
  labels: { cnpg.io/reload: "true" }
type: kubernetes.io/basic-auth
stringData:
  username: $1
  password: $password
  url: postgres://$1:$password@postgres-rw:5432/$2?sslmode=verify-full&sslrootcert=/run/secrets/shop/postgres-ca.crt
EOF
}

# Of a user of RabbitMQ.
user() {
    password=$(random)
    cat <<EOF
---
apiVersion: v1
kind: Secret
metadata:
  name: rabbitmq-$1
stringData:
  username: $1
  password: $password
  url: amqp://$1:$password@rabbitmq:5672/shop
EOF
}

# A value of its own: a random one, or the one that is given.
value() {
    cat <<EOF
---
apiVersion: v1
kind: Secret
metadata:
  name: $1
stringData:
  $2: ${3:-$(random)}
EOF
}

{{calls}}