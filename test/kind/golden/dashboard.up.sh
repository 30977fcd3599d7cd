#!/bin/sh
set -eu
export KIND_EXPERIMENTAL_PROVIDER=docker

# put the dashboard into the cluster; imgvol has packed itself as its volume before
docker exec --interactive imgvol-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f - <<'EOF'
{
  "apiVersion": "v1",
  "kind": "List",
  "items": [
    {
      "apiVersion": "v1",
      "kind": "Namespace",
      "metadata": {
        "name": "dashboard"
      }
    },
    {
      "apiVersion": "v1",
      "kind": "Secret",
      "metadata": {
        "name": "dashboard",
        "namespace": "dashboard"
      },
      "stringData": {
        "token": "a token"
      }
    },
    {
      "apiVersion": "apps/v1",
      "kind": "Deployment",
      "metadata": {
        "name": "dashboard",
        "namespace": "dashboard"
      },
      "spec": {
        "selector": {
          "matchLabels": {
            "app": "dashboard"
          }
        },
        "template": {
          "metadata": {
            "labels": {
              "app": "dashboard"
            }
          },
          "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {
              "runAsNonRoot": true,
              "runAsUser": 1000,
              "seccompProfile": {
                "type": "RuntimeDefault"
              }
            },
            "containers": [
              {
                "name": "dashboard",
                "image": "docker.io/library/node:24-slim",
                "command": [
                  "node",
                  "/imgvol/opt/imgvol/node_modules/imgvol/bin/imgvol.cjs",
                  "dashboard"
                ],
                "args": [
                  "--host",
                  "0.0.0.0",
                  "--allow-host",
                  "dashboard.dashboard"
                ],
                "env": [
                  {
                    "name": "IMGVOL_DASHBOARD_TOKEN",
                    "valueFrom": {
                      "secretKeyRef": {
                        "name": "dashboard",
                        "key": "token",
                        "optional": true
                      }
                    }
                  }
                ],
                "ports": [
                  {
                    "name": "otlp-grpc",
                    "containerPort": 4317
                  },
                  {
                    "name": "otlp-http",
                    "containerPort": 4318
                  },
                  {
                    "name": "page",
                    "containerPort": 18888
                  }
                ],
                "readinessProbe": {
                  "tcpSocket": {
                    "port": "page"
                  },
                  "periodSeconds": 1
                },
                "securityContext": {
                  "allowPrivilegeEscalation": false,
                  "readOnlyRootFilesystem": true,
                  "capabilities": {
                    "drop": [
                      "ALL"
                    ]
                  }
                },
                "volumeMounts": [
                  {
                    "name": "imgvol",
                    "mountPath": "/imgvol"
                  },
                  {
                    "name": "tmp",
                    "mountPath": "/tmp"
                  }
                ]
              }
            ],
            "volumes": [
              {
                "name": "imgvol",
                "image": {
                  "reference": "localhost:5001/imgvol:dashboard"
                }
              },
              {
                "name": "tmp",
                "emptyDir": {}
              }
            ]
          }
        }
      }
    },
    {
      "apiVersion": "v1",
      "kind": "Service",
      "metadata": {
        "name": "dashboard",
        "namespace": "dashboard"
      },
      "spec": {
        "type": "NodePort",
        "selector": {
          "app": "dashboard"
        },
        "ports": [
          {
            "name": "otlp-grpc",
            "port": 4317,
            "targetPort": "otlp-grpc"
          },
          {
            "name": "otlp-http",
            "port": 4318,
            "targetPort": "otlp-http"
          },
          {
            "name": "page",
            "port": 18888,
            "targetPort": "page",
            "nodePort": 31888
          }
        ]
      }
    }
  ]
}
EOF

# wait for the dashboard
docker exec --interactive imgvol-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf rollout status deployment/dashboard --namespace dashboard --timeout=300s
