/**
 * The first story: a Service and its Pods made with kubectl, slices made by the real controllers,
 * curl in a pod's cgroup through the VIP: before and after scaling, before and after SIGKILL.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Agent, startAgent } from '../support/agent.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { registerNode } from '../support/fleet.ts'
import { type Hub, type Node, type Pod, makeHub, makeNode } from '../support/netns.ts'
import { requires } from '../support/requires.ts'

const serviceYaml = `apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ipFamilyPolicy: PreferDualStack
  ports: [{port: 80, targetPort: 8000}]
`

/** Bound to the node by name; no kubelet runs it, its namespace stands for it. */
const podYaml = (name: string, node: string) => `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: web}}
spec:
  nodeName: ${node}
  automountServiceAccountToken: false
  containers: [{name: web, image: none}]
`

requires(
  'root',
  'bpf',
  'cgroup2',
  'netns',
  'go',
  'gcc',
  'curl',
  'agent',
)('story', () => {
  let hub: Hub
  let node: Node
  let cluster: Cluster
  let agent: Agent
  let client: Pod
  let vip = ''

  const start = async () => {
    const kubeconfig = await cluster.serviceAccountKubeconfig('kube-system', 'fairlead')
    agent = await startAgent(node, { kubeconfig })
  }
  /** What a kubelet would report of a running pod. */
  const runPod = async (pod: Pod) => {
    await cluster.kubectl(['apply', '-f', '-'], podYaml(pod.name, node.name))
    await cluster.api('PATCH', `/api/v1/namespaces/default/pods/${pod.name}/status`, {
      status: {
        phase: 'Running',
        podIP: pod.ipv4,
        podIPs: [{ ip: pod.ipv4 }, { ip: pod.ipv6 }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    })
  }
  const curl = (url: string) => client.run(['curl', '-sSv', '-g', '--max-time', '5', url])
  /** Who answers `n` curls through the VIP; an error counts under its exit status. */
  const answers = async (n: number): Promise<Set<string>> => {
    const seen = new Set<string>()
    for (let i = 0; i < n; i++) {
      const { status, stdout } = await curl(`http://${vip}/`)
      seen.add(status === 0 ? stdout : `curl exit ${status}`)
    }
    return seen
  }
  const answerAs = (...names: string[]) =>
    eventually(`answers of ${names.join(', ')}`, async () => {
      const seen = await answers(20)
      return seen.size === names.length && names.every((name) => seen.has(name))
    })

  beforeAll(async () => {
    hub = await makeHub()
    node = await makeNode({ hub, pods: 3 })
    client = node.pods[0] as Pod
    for (const pod of node.pods.slice(1)) {
      const program = `require('node:http').createServer((q, r) => r.end('${pod.name}')).listen(8000, '::', () => console.log('READY'))`
      const server = pod.start([process.execPath, '-e', program])
      await eventually('the backend to listen', () => server.log().includes('READY'))
    }
    cluster = await startCluster({ hub, controllers: true })
    await registerNode(cluster, node, 'a')
    await cluster.kubectl(['apply', '-f', 'deploy/rbac.yaml'])
    await start()
  })

  afterAll(async () => {
    await node?.close()
    await cluster?.close()
    await hub?.close()
  })

  test('one Service from its birth to its end, through scaling and the death of the agent', async () => {
    // Without Pods it refuses, and each Pod takes its share.
    await cluster.kubectl(['apply', '-f', '-'], serviceYaml)
    const field = (path: string) =>
      cluster.kubectl(['get', 'service', 'web', '-o', `jsonpath={.spec.${path}}`])
    vip = await field('clusterIP')
    const url = `http://${vip}/`
    await eventually('a refusal', async () => (await curl(url)).stderr.includes('refused'))
    await runPod(node.pods[1] as Pod)
    await answerAs('p2')
    await runPod(node.pods[2] as Pod)
    await answerAs('p2', 'p3')
    expect((await curl(`http://[${await field('clusterIPs[1]')}]/`)).stdout).toMatch(/^p[23]$/)

    // Connects go on while the agent is dead, and follow the changes when it is back.
    await agent.kill()
    expect(await answers(20)).toEqual(new Set(['p2', 'p3']))
    await cluster.kubectl(['delete', 'pod', 'p2', '--grace-period=0', '--force'])
    expect(await answers(20)).toEqual(new Set(['p2', 'p3']))
    await start()
    await answerAs('p3')

    // At its end the net answers as if it had never been.
    await cluster.kubectl(['delete', 'service', 'web'])
    await eventually('the net to refuse', async () => {
      const { stderr } = await curl(url)
      return stderr.includes('unreachable')
    })
  })
})
