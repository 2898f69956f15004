import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startAgent } from '../support/agent.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type Hub, makeHub, makeNode, type Node } from '../support/netns.ts'
import { repository } from '../support/parts.ts'
import { requires } from '../support/requires.ts'

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection']
const account = 'system:serviceaccount:kube-system:fairlead'

/** Everything that the shipped ClusterRole gives, resource by resource; all else is refused. */
const granted: Readonly<Record<string, readonly string[]>> = {
  services: ['get', 'list', 'watch'],
  nodes: ['get', 'list', 'watch'],
  'endpointslices.discovery.k8s.io': ['get', 'list', 'watch'],
  events: ['create'],
}

/** What a stolen token would be used for. */
const refused = [
  'secrets',
  'configmaps',
  'pods',
  'pods/exec',
  'nodes/proxy',
  'nodes/status',
  'services/status',
  'serviceaccounts/token',
  'endpoints',
  'namespaces',
  'daemonsets.apps',
  'events.events.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'leases.coordination.k8s.io',
]

interface DaemonSet {
  spec: {
    updateStrategy: { rollingUpdate: { maxUnavailable: string } }
    template: {
      spec: {
        hostNetwork: boolean
        hostPID?: boolean
        priorityClassName: string
        serviceAccountName: string
        tolerations: object[]
        securityContext: { seccompProfile: { type: string } }
        containers: {
          command: string[]
          args: string[]
          env: { name: string; valueFrom: { fieldRef: { fieldPath: string } } }[]
          securityContext: Record<string, unknown>
          livenessProbe: { httpGet: { path: string; port: number; host: string } }
          readinessProbe: { httpGet: { path: string; port: number; host: string } }
        }[]
        volumes: { hostPath: { path: string } }[]
      }
    }
  }
}

requires(
  'root',
  'netns',
  'go',
  'curl',
)('the shipped manifests on a real API server', () => {
  let hub: Hub
  let cluster: Cluster
  let daemonSet: DaemonSet

  beforeAll(async () => {
    hub = await makeHub()
    cluster = await startCluster({ hub })
    await cluster.kubectl(['apply', '-k', join(repository, 'deploy')])
    const words = ['get', 'daemonset', 'fairlead', '-n', 'kube-system', '-o', 'json']
    daemonSet = JSON.parse(await cluster.kubectl(words)) as DaemonSet
  })

  afterAll(async () => {
    await cluster?.close()
    await hub?.close()
  })

  test('applying them a second time changes nothing', async () => {
    const output = await cluster.kubectl(['apply', '-k', join(repository, 'deploy')])
    const lines = output.trim().split('\n')
    expect(lines).toHaveLength(4)
    expect(lines.filter((line) => !line.endsWith(' unchanged'))).toEqual([])
  })

  test('the pod has three capabilities, a read-only root and no privilege', () => {
    const [container] = daemonSet.spec.template.spec.containers
    expect(container?.securityContext).toEqual({
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsUser: 0,
      capabilities: { drop: ['ALL'], add: ['BPF', 'NET_ADMIN', 'PERFMON'] },
    })
    expect(daemonSet.spec.template.spec.securityContext.seccompProfile.type).toBe('RuntimeDefault')
    expect(daemonSet.spec.template.spec.hostPID).toBeUndefined()
    const paths = daemonSet.spec.template.spec.volumes.map((volume) => volume.hostPath.path)
    expect(paths).toEqual(['/sys/fs/bpf', '/sys/fs/cgroup', '/run/fairlead'])
  })

  test('it runs on every node, before the pod network, and rolls out a tenth at a time', () => {
    const { spec } = daemonSet.spec.template
    expect(spec.hostNetwork).toBe(true)
    expect(spec.priorityClassName).toBe('system-node-critical')
    expect(spec.tolerations).toEqual([{ operator: 'Exists' }])
    expect(daemonSet.spec.updateStrategy.rollingUpdate.maxUnavailable).toBe('10%')
    expect(spec.containers[0]?.env[0]?.valueFrom.fieldRef.fieldPath).toBe('spec.nodeName')
  })

  test('its probes ask a port of their own on loopback, not the one of kube-proxy', () => {
    const [container] = daemonSet.spec.template.spec.containers
    const probe = { host: '127.0.0.1', port: 9258 }
    expect(container?.livenessProbe.httpGet).toMatchObject({ ...probe, path: '/livez' })
    expect(container?.readinessProbe.httpGet).toMatchObject({ ...probe, path: '/readyz' })
    expect(container?.args).toContain('--probe-bind-address=127.0.0.1:9258')
  })

  test('its account may do what it needs and nothing else', async () => {
    const canI = async (verb: string, resource: string) => {
      const [name = '', ...group] = (resource.split('/')[0] ?? '').split('.')
      const review = await cluster.api<{ status: { allowed: boolean } }>(
        'POST',
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: {
            user: account,
            groups: ['system:serviceaccounts', 'system:authenticated'],
            resourceAttributes: {
              verb,
              resource: name,
              group: group.join('.'),
              subresource: resource.split('/')[1] ?? '',
              namespace: 'default',
            },
          },
        },
      )
      return review.status.allowed
    }
    const allowed: Record<string, string[]> = {}
    for (const resource of [...Object.keys(granted), ...refused]) {
      for (const verb of verbs) {
        if (await canI(verb, resource)) (allowed[resource] ??= []).push(verb)
      }
    }
    expect(allowed).toEqual(granted)
  })

  requires(
    'bpf',
    'cgroup2',
    'agent',
  )('an agent with the shipped account alone', () => {
    let node: Node

    beforeAll(async () => {
      node = await makeNode({ hub, pods: 2, v6: false })
    })

    afterAll(async () => {
      await node?.close()
    })

    test('becomes ready and serves a Service', async () => {
      const [client, backend] = node.pods
      if (client === undefined || backend === undefined) throw new Error('two pods were asked for')
      await cluster.kubectl(['apply', '-f', '-'], objects(node, backend.ipv4))
      await backend.echo({ name: 'web' })
      const kubeconfig = await cluster.serviceAccountKubeconfig('kube-system', 'fairlead')
      const agent = await startAgent(node, { kubeconfig })
      const dialer = await client.dialer()
      const answer = await eventually('an answer through the VIP', async () => {
        const found = await dialer.tcp('10.96.0.80:80')
        return found.name === 'web' && found
      })
      expect(answer.getpeername).toBe('10.96.0.80:80')
      expect((await agent.status()).sources?.filter((source) => source.trouble)).toEqual([])
      expect(await agent.stop()).toBe(0)
    })
  })
})

function objects(node: Node, address: string): string {
  return `apiVersion: v1
kind: Node
metadata: { name: ${node.name} }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: 10.96.0.80
  ports: [{ name: http, port: 80, targetPort: 8080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: default
  labels: { kubernetes.io/service-name: web }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [{ addresses: [${address}], conditions: { ready: true }, nodeName: ${node.name} }]
`
}
