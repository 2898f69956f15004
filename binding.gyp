# The addon. native/build.mjs is what calls node-gyp, with libbpf_* pointing at the pinned static
# libbpf (or at Debian's dynamic one). With is_sanitized=1 the same sources also become fairlead_asan.node beside it:
# under a name of its own, since make copies a module by its name alone into build/Release.
{
  'variables': {
    'is_sanitized%': 0,
    'libbpf_include%': '/usr/include',
    'libbpf_link%': '-lbpf',
  },
  'target_defaults': {
    'sources': [
      'native/addon.cc', 'native/args.cc', 'native/batch.cc', 'native/canary.cc',
      'native/clock.cc', 'native/elf.cc', 'native/error.cc', 'native/features.cc',
      'native/filesystem.cc', 'native/layout.cc', 'native/link.cc', 'native/lock.cc',
      'native/log.cc', 'native/map.cc', 'native/memory.cc', 'native/netlink.cc',
      'native/network.cc', 'native/netwatch.cc', 'native/object.cc', 'native/program.cc',
      'native/ring.cc', 'native/sockdiag.cc', 'native/watch.cc',
    ],
    'include_dirs': ['<(libbpf_include)', 'node_modules/node-addon-api'],
    'defines': ['NAPI_VERSION=8', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
    'cflags': ['-Wall', '-Wextra', '-fvisibility=hidden'],
    'cflags!': ['-Wno-unused-parameter'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++20', '-fno-exceptions', '-fvisibility-inlines-hidden'],
  },
  'targets': [
    {
      'target_name': 'fairlead',
      'libraries': ['<(libbpf_link)', '-lelf', '-lz'],
      'ldflags': ['-Wl,--exclude-libs,ALL', '-Wl,--gc-sections', '-Wl,-z,now', '-static-libstdc++', '-static-libgcc'],
      'cflags': ['-O2', '-ffunction-sections'],
    },
  ],
  'conditions': [
    ['is_sanitized==1', {
      'targets': [
        {
          'target_name': 'fairlead_asan',
          'libraries': ['<(libbpf_link)', '-lelf', '-lz'],
          'ldflags': ['-fsanitize=address', '-Wl,--exclude-libs,ALL'],
          'cflags': ['-O1', '-g1', '-fsanitize=address', '-fno-omit-frame-pointer'],
          'configurations': {'Release': {'cflags!': ['-O3']}},
        },
      ],
    }],
  ],
}
