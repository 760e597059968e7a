# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coracle_global_optspecs
    string join \n root= runroot= l/log-level= D/debug v/version cgroup-manager= events-backend= storage-driver= storage-opt= tmpdir= network-cmd-path= syslog r/remote h/help
end

function __fish_coracle_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coracle_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coracle_using_subcommand
    set -l cmd (__fish_coracle_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coracle -n "__fish_coracle_needs_command" -l root -d 'Data directory (default: $XDG_DATA_HOME/coracle)' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l runroot -d 'Directory of sockets (default: $XDG_RUNTIME_DIR/coracle)' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -s l -l log-level -d 'What to log to stderr: error, warn, info, debug' -r
complete -c coracle -n "__fish_coracle_needs_command" -l cgroup-manager -r
complete -c coracle -n "__fish_coracle_needs_command" -l events-backend -r
complete -c coracle -n "__fish_coracle_needs_command" -l storage-driver -r
complete -c coracle -n "__fish_coracle_needs_command" -l storage-opt -r
complete -c coracle -n "__fish_coracle_needs_command" -l tmpdir -r
complete -c coracle -n "__fish_coracle_needs_command" -l network-cmd-path -r
complete -c coracle -n "__fish_coracle_needs_command" -s D -l debug -d 'Same as --log-level=debug'
complete -c coracle -n "__fish_coracle_needs_command" -s v -l version -d 'Print the version'
complete -c coracle -n "__fish_coracle_needs_command" -l syslog
complete -c coracle -n "__fish_coracle_needs_command" -s r -l remote
complete -c coracle -n "__fish_coracle_needs_command" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "attach" -d 'Connect the terminal to a running container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "commit" -d 'Make an image of a container\'s changes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "completion" -d 'Print the completion script of a shell'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "cp" -d 'Copy files between a container and the host'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "create" -d 'Create a container without starting it'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "diff" -d 'Show what a container changed in its files, or an image in those of the image below it'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "doctor" -d 'Check what this host offers to containers, and say how to mend what is missing'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "exec" -d 'Run a command in a running container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "export" -d 'Write a container\'s root file system as a tar archive'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "history" -d 'Show how an image came to be, its latest step first'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "images" -d 'List images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "import" -d 'Make an image of a root file system\'s tar archive'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "info" -d 'Show the host, the store and what containers get here'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "inspect" -d 'Show the details of containers, images, volumes or networks'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "kill" -d 'Send a signal to running containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "load" -d 'Load images from an archive'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "login" -d 'Log in to a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "logout" -d 'Log out from a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "logs" -d 'Print what a container wrote'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "mount" -d 'Mount the files of containers read-only, and print where; without arguments list what is mounted'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "port" -d 'Show the published ports of a container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "ps" -d 'List containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "pull" -d 'Pull images from a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "push" -d 'Push an image to a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rename" -d 'Give a container another name'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "restart" -d 'Stop containers and start them again'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rm" -d 'Remove containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rmi" -d 'Remove images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "run" -d 'Create and start a container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "save" -d 'Save images as an archive or a directory'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "search" -d 'Search registries for images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "start" -d 'Start created or stopped containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "stats" -d 'Show what containers use: CPU, memory, network, disks, processes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "stop" -d 'Stop running containers: their stop signal, then SIGKILL'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "tag" -d 'Give an image further names'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "top" -d 'Show the processes of a container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unmount" -d 'Undo mount'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "umount" -d 'Undo mount'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unshare" -d 'Run a program as root of the user namespace that containers have'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "untag" -d 'Take names away from an image; the image stays'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "update" -d 'Change ports, limits and restart policy of containers, also while they run'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "version" -d 'Show the version'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "wait" -d 'Wait until containers end, and print their exit codes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "builder" -d 'Build images, manage the build cache'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "container" -d 'Manage containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "image" -d 'Manage images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "manifest" -d 'Manage manifest lists (images for several platforms)'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "network" -d 'Manage networks'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "system" -d 'Show the state of the engine'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "volume" -d 'Manage volumes'
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l detach-keys -d 'Keys that leave the container running' -r
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l sig-proxy -d 'Pass signals on to the container' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l no-stdin -d 'Don\'t attach to stdin'
complete -c coracle -n "__fish_coracle_using_subcommand attach" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand build" -s f -l file -d 'The Dockerfile, or - for standard input (default: Containerfile or Dockerfile in the context)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l build-arg -d 'Value of an ARG; without a value, that of the environment' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l build-context -d 'Another context for FROM, --from and stages: a directory, docker-image://IMAGE, oci-layout://DIR[:TAG], a git repository or the address of a tar' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l target -d 'The stage to build (default: the last)' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l pull -d 'When to ask the registry for base images: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l network -d 'Network of RUN: default, none or host' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l secret -d 'Secret for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l ssh -d 'Pass an ssh agent to RUN --mount=type=ssh: default, NAME=SOCKET or NAME=KEY[,KEY]' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l add-host -d 'Add a line to /etc/hosts of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l dns -d 'DNS server of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l ulimit -d 'Limit of RUN, as NAME=SOFT[:HARD]' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l shm-size -d 'Size of /dev/shm in RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cap-add -d 'Give RUN a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cap-drop -d 'Take a capability from RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l security-opt -d 'Security option of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -s v -l volume -d 'Mount a directory or file of the host in RUN; what it holds is no part of the cache\'s keys' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l device -d 'Give RUN a device of the host' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -s m -l memory -d 'Limit of memory of each RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l memory-swap -d 'Limit of memory and swap of each RUN; -1 for unlimited swap' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -s c -l cpu-shares -d 'Weight of RUN where CPU time is short (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpu-period -d 'Microseconds that the CPU quota is for' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpu-quota -d 'Microseconds of CPU time in each period' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpuset-cpus -d 'CPUs that RUN may use (0-3,5)' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cpuset-mems -d 'Memory nodes that RUN may use' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l dns-search -d 'Search domain of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l dns-option -d 'Option of RUN\'s resolver' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cgroup-parent -d 'Not supported: the control group is that of the session' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l unsetenv -d 'Leave a variable out of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l unsetlabel -d 'Leave a label of the base image or the Dockerfile out of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l jobs -d 'Stages built at once; 0 is all (default: as many as there are cores, and at least 4)' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l progress -d 'How to show the build: auto, plain, tty, rawjson or quiet' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l timestamp -d 'Time of the image and its new files, in seconds since 1970 (default: SOURCE_DATE_EPOCH, or the base image\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l ignorefile -d 'The ignore file (default: FILE.dockerignore, .containerignore or .dockerignore)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l no-cache-filter -d 'Take no step of these stages from the cache' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cache-from -d 'Take steps from a shared cache: NAME, type=registry,ref=NAME or type=local,src=DIR; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cache-to -d 'Write a shared cache: NAME, type=inline, type=registry,ref=NAME or type=local,dest=DIR[,mode=max]; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l layers -d 'Accepted: every step is a layer and in the cache' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -s o -l output -d 'What to make: type=image|registry|docker|oci|tar|local|cacheonly[,dest=PATH][,name=NAME][,push=true], DIR or -; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l push -d 'Push the image to the registries of its names' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l load -d 'Keep the image in the store, whatever else --output asks for' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l metadata-file -d 'Write digests and names as JSON to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l format -d 'Form of the manifest: oci or docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l label -d 'Label of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l annotation -d 'Annotation of the manifest, or of what stands before a colon: index, manifest[PLATFORM], manifest-descriptor' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l omit-history -d 'Leave out of the image what it was made by' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l manifest -d 'Add the images to the manifest list of that name, which is made if need be' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l platform -d 'Platforms to build for, as OS/ARCH[/VARIANT] or local; several make an index' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l build-arg-file -d 'Values of ARGs, one NAME=VALUE a line; --build-arg comes before them' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l from -d 'The image of the first FROM, in the place of what it says' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l env -d 'Set a variable in the image; without a value, that of the environment' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l inherit-labels -d 'Take the labels of base images over' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l allow -d 'Allow RUN --network=host: network.host' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l call -d 'What to do: build, or check (as --check)' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l group-add -d 'Additional group of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l http-proxy -d 'Pass the proxy variables of the environment to RUN' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l isolation -d 'Accepted: RUN is in a container of its own always' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l provenance -d 'Attestations are not made: false' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l sbom -d 'Attestations are not made: false' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l attest -d 'Attestations are not made: type=…,disabled=true' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l identity-label -d 'There is no label of ours: false' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l skip-unused-stages -d 'What nobody needs is not built: true' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l ipc -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l pid -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l uts -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cgroupns -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l userns -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l userns-uid-map -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l userns-gid-map -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l logfile -d 'Write to a file what the build tells' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand build" -l cache-ttl -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand build" -l compress -d 'Accepted: the context is sent nowhere' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -s D -l disable-compression -d 'Accepted: layers are compressed when they are pushed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l disable-content-trust -d 'Accepted: there is no content trust' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l rm -d 'Accepted: nothing is left of a build but its image' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand build" -l debug-shell -d 'After a failed RUN, open a shell in what it left, with its mounts and variables'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l verify -d 'Build once more, without the cache, and tell all differences between the two images'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l check -d 'Check the Dockerfile instead of building it'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l no-cache -d 'Take no step from the cache'
complete -c coracle -n "__fish_coracle_using_subcommand build" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l squash -d 'One layer for all that is new'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l squash-all -d 'One layer for all, the base image\'s too'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l rewrite-timestamp -d 'Accepted: new files are never later than the time of the image'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l pull-always -d 'Always ask the registry for base images'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l pull-never -d 'Use base images of the store only'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l no-hosts -d 'No /etc/hosts of ours in RUN'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l all-platforms -d 'Not supported'
complete -c coracle -n "__fish_coracle_using_subcommand build" -l force-rm -d 'Accepted: nothing is left of a build but its image'
complete -c coracle -n "__fish_coracle_using_subcommand build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s a -l author -d 'Author of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s c -l change -d 'Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s f -l format -d 'Format of the image: oci or docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s m -l message -d 'Comment for the history' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s p -l pause -d 'Stop the container\'s processes meanwhile' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l include-volumes -d 'Make the container\'s volumes volumes of the image'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s q -l quiet -d 'No warnings'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s s -l squash -d 'One layer with all files, instead of one more'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand completion" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s a -l archive -d 'Keep owners and groups'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s L -l follow-link -d 'Follow a symlink that is the source itself'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s q -l quiet -d 'Print nothing about what could not be copied'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l name -d 'Name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s a -l attach -d 'Streams to attach: stdin, stdout, stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s l -l label -d 'Label (KEY[=VALUE])' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l label-file -d 'File with one label a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l annotation -d 'Annotation (KEY=VALUE)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l restart -d 'Restart policy: no, always, unless-stopped, on-failure[:N]' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l stop-signal -d 'Signal that stops the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l stop-timeout -d 'Seconds from the stop signal to SIGKILL' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l detach-keys -d 'Keys that detach from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l log-driver -d 'Log driver: k8s-file, none, passthrough' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l log-opt -d 'Log option: max-size, max-file, path, tag' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l disable-content-trust -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l no-healthcheck -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l runtime -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s e -l env -d 'Variable (KEY=VALUE, or KEY to take this environment\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l env-file -d 'File with one variable a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l unsetenv -d 'Leave a variable of the image out' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l http-proxy -d 'Pass proxy variables on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l entrypoint -d 'Replace the image\'s entrypoint ("" for none)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s w -l workdir -d 'Working directory' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s u -l user -d 'User and group: names or ids' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l group-add -d 'Additional group, or keep-groups' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l umask -d 'umask, octal' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s v -l volume -d 'Mount a directory or volume: [SOURCE:]TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l mount -d 'Mount: type=bind|volume|tmpfs,source=…,target=…' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tmpfs -d 'Mount a tmpfs: TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l volumes-from -d 'Mount the volumes of another container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l image-volume -d 'What to do with the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l read-only-tmpfs -d 'With --read-only, put a tmpfs on /run, /tmp and /var/tmp' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device -d 'Device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l network -l net -d 'Network: none, host, slirp4netns, pasta, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l network-alias -d 'Further name of the container in the network' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s p -l publish -d 'Publish a port: [[IP:]HOST:]CONTAINER[/PROTOCOL]' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l expose -d 'Expose a port' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s h -l hostname -d 'Host name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l domainname -d 'NIS domain name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l add-host -d 'Line for /etc/hosts: NAME:ADDRESS' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns -d 'Name server' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns-option -l dns-opt -d 'Option for resolv.conf' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns-search -d 'Search domain' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l mac-address -d 'MAC address' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ip -d 'IPv4 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ip6 -d 'IPv6 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cap-add -d 'Add a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cap-drop -d 'Drop a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l security-opt -d 'Security option: seccomp=, no-new-privileges, mask=, unmask=' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l sysctl -d 'Namespaced kernel setting: KEY=VALUE' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l userns -d 'User namespace: private, host, keep-id, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pid -d 'Process namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ipc -d 'IPC namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l uts -d 'Host name namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cgroupns -d 'Cgroup namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ulimit -d 'Resource limit of processes: NAME=SOFT[:HARD]' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s m -l memory -d 'Most memory' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-swap -d 'Most memory and swap together, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-reservation -d 'Memory that is kept when the host runs short' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s c -l cpu-shares -d 'Relative share of CPU time (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-quota -d 'CPU time per period in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-period -d 'Period of the CPU quota in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpuset-cpus -d 'CPUs to run on, like 0-3,7' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pids-limit -d 'Most processes and threads, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l oom-score-adj -d 'Adjust the kernel\'s choice of what to kill when memory runs out (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand create" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l replace -d 'Remove a container that has the name already'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s i -l interactive -d 'Keep stdin open'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s t -l tty -d 'Give the container a terminal'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s q -l quiet -d 'Print no pull progress'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l rootfs -d 'The image is a directory, used in place'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l env-host -d 'Pass this whole environment on'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l unsetenv-all -d 'Leave all variables of the image out'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l init -d 'Run a small init that reaps zombies and forwards signals'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l read-only -d 'Make the root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s P -l publish-all -d 'Publish all exposed ports to random ones'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l no-hosts -d 'Leave the image\'s /etc/hosts alone'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l privileged -d 'Give the container all capabilities and no seccomp filter (never more than you have)'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand diff" -l format -d 'Print json instead of lines' -r
complete -c coracle -n "__fish_coracle_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -s f -l format -d 'Print json or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -l json -d 'Print JSON: {"schema": 1, "version", "runs", "checks": [{"check", "state", "detail", "consequence", "fix", "essential"}]}'
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s e -l env -d 'Environment variable (KEY=VALUE, or KEY to pass the host\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l env-file -d 'File with one environment variable a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s u -l user -d 'User (NAME|UID[:GROUP|GID])' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s w -l workdir -d 'Working directory in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l detach-keys -d 'Keys that detach from the command' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s d -l detach -d 'Run in the background'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s i -l interactive -d 'Pass stdin on'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s t -l tty -d 'Give the command a terminal'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l privileged -d 'All capabilities of the container\'s user namespace, and no seccomp filter'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand export" -s o -l output -d 'File to write; standard output by default' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand history" -s H -l human -d 'Print sizes and times for people (--human=false: bytes and RFC 3339)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand history" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand history" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand history" -l no-trunc -d 'Print long texts and ids in full'
complete -c coracle -n "__fish_coracle_using_subcommand history" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s f -l filter -d 'Only images that fit: reference=PATTERN, dangling=BOOL, label=KEY[=VALUE], label!=…, before=IMAGE, since=IMAGE, until=TIME, id=ID, digest=DIGEST, containers=BOOL, manifest=BOOL' -r
complete -c coracle -n "__fish_coracle_using_subcommand images" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each image' -r
complete -c coracle -n "__fish_coracle_using_subcommand images" -l sort -d 'Order by: created (newest first), id, repository, tag, size, digest' -r
complete -c coracle -n "__fish_coracle_using_subcommand images" -s a -l all -d 'Accepted for compatibility: there are no hidden images'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l no-trunc -d 'Print ids and digests in full'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s n -l noheading -d 'Leave out the heading'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l history -d 'Show all names of each image'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand import" -s c -l change -d 'Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -s m -l message -d 'Comment for the history' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -l platform -d 'Platform of the image, as OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -l arch -d 'Architecture of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -s q -l quiet -d 'Print the image\'s id only'
complete -c coracle -n "__fish_coracle_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand info" -s f -l format -d 'Print json or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand info" -l json -d 'Print json'
complete -c coracle -n "__fish_coracle_using_subcommand info" -s D -l debug -d 'Taken for compatibility, without effect'
complete -c coracle -n "__fish_coracle_using_subcommand info" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s f -l format -d 'Print json, ndjson, or the result of a Go template for each object' -r
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s t -l type -d 'What to look for: all, container, image, volume, network' -r
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s s -l size -d 'Count the bytes of containers'
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s s -l signal -d 'Name or number of the signal' -r
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand kill" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand load" -s i -l input -d 'Archive or OCI directory; standard input by default' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand load" -l platform -d 'Load the images for this platform only, OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand load" -s q -l quiet -d 'Don\'t print the names'
complete -c coracle -n "__fish_coracle_using_subcommand load" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand login" -s u -l username -d 'User name' -r
complete -c coracle -n "__fish_coracle_using_subcommand login" -s p -l password -d 'Password; others on this machine can see it: prefer --password-stdin' -r
complete -c coracle -n "__fish_coracle_using_subcommand login" -l authfile -d 'Keep the login in this file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand login" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand login" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand login" -l password-stdin -d 'Read the password from standard input'
complete -c coracle -n "__fish_coracle_using_subcommand login" -l get-login -d 'Print the user name of the login that is kept, and do nothing else'
complete -c coracle -n "__fish_coracle_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand logout" -l authfile -d 'Forget the login that this file keeps' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand logout" -s a -l all -d 'Forget all logins'
complete -c coracle -n "__fish_coracle_using_subcommand logout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s n -l tail -d 'Only the last lines, or all' -r
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l since -d 'Only what was written after a time (RFC 3339, unix seconds) or within a duration (10m)' -r
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l until -d 'Only what was written before a time' -r
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s f -l follow -d 'Go on until the container ends'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s t -l timestamps -d 'Print the time before each line'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -l format -d 'Print json, or the result of a Go template for each (of the list)' -r
complete -c coracle -n "__fish_coracle_using_subcommand mount" -s a -l all -d 'Mount all containers'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -l no-trunc -d 'Print ids in full'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand port" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand port" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s f -l filter -d 'Only containers that pass (KEY=VALUE: name, id, label, status, exited, ancestor, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each container' -r
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s n -l last -d 'The last N created ones, whatever their state' -r
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l sort -d 'Order by: created, id, image, names, command, runningfor, size, status' -r
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s a -l all -d 'Also those that don\'t run'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s l -l latest -d 'The last created one, whatever its state'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l no-trunc -d 'Don\'t shorten ids and commands'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s s -l size -d 'Print the sizes of files'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l noheading -l no-heading -d 'Don\'t print the header'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l sync -d 'Accepted for podman\'s scripts'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l policy -d 'When to ask the registry: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l disable-content-trust -d 'Accepted and ignored (docker\'s content trust is not provided)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pull" -s q -l quiet -d 'Print nothing but the result'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -s a -l all-tags -d 'Pull every tag of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand push" -s f -l format -d 'Manifest format: oci or v2s2 (default: as stored)' -r
complete -c coracle -n "__fish_coracle_using_subcommand push" -l compression-format -d 'Compress layers with gzip or zstd, those too that are compressed otherwise' -r
complete -c coracle -n "__fish_coracle_using_subcommand push" -l compression-level -d 'Compression level: 1 to 9 for gzip, 1 to 20 for zstd' -r
complete -c coracle -n "__fish_coracle_using_subcommand push" -l force-compression -d 'Send layers in the chosen compression even if the registry has them in another (default: true with --compression-format)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l digestfile -d 'Write the digest of the pushed manifest to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand push" -l platform -d 'Push what is for this platform, OS/ARCH[/VARIANT]: of a manifest list its image' -r
complete -c coracle -n "__fish_coracle_using_subcommand push" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand push" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand push" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand push" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand push" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand push" -l disable-content-trust -d 'Accepted and ignored (docker\'s content trust is not provided)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand push" -s q -l quiet -d 'Print nothing but the result'
complete -c coracle -n "__fish_coracle_using_subcommand push" -s a -l all-tags -d 'Push every tag of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand push" -l remove-signatures -d 'Accepted and ignored (signatures are never pushed)'
complete -c coracle -n "__fish_coracle_using_subcommand push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand rename" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s t -l time -l timeout -d 'Seconds until SIGKILL (default: the container\'s own, 10)' -r
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand restart" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand restart" -l running -d 'With --all: only those that run'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s t -l time -d 'With --force: seconds between the stop signal and SIGKILL' -r
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s f -l force -d 'Kill running containers first; containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s v -l volumes -d 'Remove their anonymous volumes too'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s a -l all -d 'Remove all images that no container uses'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s f -l force -d 'Remove images that containers use, and by id those with several names; don\'t mind missing ones'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s i -l ignore -d 'Don\'t mind missing images'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -l no-prune -d 'Accepted and ignored: there are no untagged parents'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sig-proxy -d 'Pass signals on to the container' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l preserve-fds -d 'Pass descriptors 3 to N+2 on to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l name -d 'Name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s a -l attach -d 'Streams to attach: stdin, stdout, stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s l -l label -d 'Label (KEY[=VALUE])' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l label-file -d 'File with one label a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l annotation -d 'Annotation (KEY=VALUE)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l restart -d 'Restart policy: no, always, unless-stopped, on-failure[:N]' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l stop-signal -d 'Signal that stops the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l stop-timeout -d 'Seconds from the stop signal to SIGKILL' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l detach-keys -d 'Keys that detach from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l log-driver -d 'Log driver: k8s-file, none, passthrough' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l log-opt -d 'Log option: max-size, max-file, path, tag' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l disable-content-trust -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l no-healthcheck -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l runtime -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s e -l env -d 'Variable (KEY=VALUE, or KEY to take this environment\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l env-file -d 'File with one variable a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l unsetenv -d 'Leave a variable of the image out' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l http-proxy -d 'Pass proxy variables on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l entrypoint -d 'Replace the image\'s entrypoint ("" for none)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s w -l workdir -d 'Working directory' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s u -l user -d 'User and group: names or ids' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l group-add -d 'Additional group, or keep-groups' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l umask -d 'umask, octal' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s v -l volume -d 'Mount a directory or volume: [SOURCE:]TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l mount -d 'Mount: type=bind|volume|tmpfs,source=…,target=…' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tmpfs -d 'Mount a tmpfs: TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l volumes-from -d 'Mount the volumes of another container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l image-volume -d 'What to do with the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l read-only-tmpfs -d 'With --read-only, put a tmpfs on /run, /tmp and /var/tmp' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device -d 'Device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l network -l net -d 'Network: none, host, slirp4netns, pasta, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l network-alias -d 'Further name of the container in the network' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s p -l publish -d 'Publish a port: [[IP:]HOST:]CONTAINER[/PROTOCOL]' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l expose -d 'Expose a port' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s h -l hostname -d 'Host name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l domainname -d 'NIS domain name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l add-host -d 'Line for /etc/hosts: NAME:ADDRESS' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns -d 'Name server' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns-option -l dns-opt -d 'Option for resolv.conf' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns-search -d 'Search domain' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l mac-address -d 'MAC address' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ip -d 'IPv4 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ip6 -d 'IPv6 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cap-add -d 'Add a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cap-drop -d 'Drop a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l security-opt -d 'Security option: seccomp=, no-new-privileges, mask=, unmask=' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sysctl -d 'Namespaced kernel setting: KEY=VALUE' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l userns -d 'User namespace: private, host, keep-id, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pid -d 'Process namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ipc -d 'IPC namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l uts -d 'Host name namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cgroupns -d 'Cgroup namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ulimit -d 'Resource limit of processes: NAME=SOFT[:HARD]' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s m -l memory -d 'Most memory' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-swap -d 'Most memory and swap together, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-reservation -d 'Memory that is kept when the host runs short' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s c -l cpu-shares -d 'Relative share of CPU time (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-quota -d 'CPU time per period in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-period -d 'Period of the CPU quota in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpuset-cpus -d 'CPUs to run on, like 0-3,7' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pids-limit -d 'Most processes and threads, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l oom-score-adj -d 'Adjust the kernel\'s choice of what to kill when memory runs out (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand run" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s d -l detach -d 'Leave the container running in the background and print its id'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l trace-time -d 'Print how long each phase of the start took'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l replace -d 'Remove a container that has the name already'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s i -l interactive -d 'Keep stdin open'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s t -l tty -d 'Give the container a terminal'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s q -l quiet -d 'Print no pull progress'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l rootfs -d 'The image is a directory, used in place'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l env-host -d 'Pass this whole environment on'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l unsetenv-all -d 'Leave all variables of the image out'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l init -d 'Run a small init that reaps zombies and forwards signals'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l read-only -d 'Make the root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s P -l publish-all -d 'Publish all exposed ports to random ones'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l no-hosts -d 'Leave the image\'s /etc/hosts alone'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l privileged -d 'Give the container all capabilities and no seccomp filter (never more than you have)'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s o -l output -d 'File or directory to write; standard output by default' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand save" -l format -d 'docker-archive, oci-archive, oci-dir (a directory with an OCI layout), docker-dir (one with a Docker manifest)' -r
complete -c coracle -n "__fish_coracle_using_subcommand save" -l platform -d 'Of a manifest list only what is for this platform, OS/ARCH[/VARIANT]; can be given several times where the format holds lists' -r
complete -c coracle -n "__fish_coracle_using_subcommand save" -l compress -d 'Compress the layers of a docker-dir'
complete -c coracle -n "__fish_coracle_using_subcommand save" -l uncompressed -d 'Leave uncompressed layers so in OCI layouts; by default those of images that were made here are compressed'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s m -l multi-image-archive -d 'Save several images, where podman takes further words for names of the first'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s q -l quiet -d 'Accepted: nothing but the archive is printed'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l limit -d 'At most so many results of each registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -s f -l filter -d 'Only what matches: stars=N, is-official=BOOL, is-automated=BOOL (more than once: all)' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand search" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand search" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand search" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l list-tags -d 'List the tags of a repository'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l no-trunc -d 'Print long descriptions in full'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l compatible -d 'Print stars and official images too, as docker does'
complete -c coracle -n "__fish_coracle_using_subcommand search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand start" -l detach-keys -d 'Keys that leave the container running' -r
complete -c coracle -n "__fish_coracle_using_subcommand start" -l sig-proxy -d 'Pass signals on to the container' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand start" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand start" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand start" -s a -l attach -d 'Attach to stdout and stderr, and exit with the container\'s code'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s i -l interactive -d 'Attach to stdin too'
complete -c coracle -n "__fish_coracle_using_subcommand start" -l all -d 'All containers that don\'t run'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each container' -r
complete -c coracle -n "__fish_coracle_using_subcommand stats" -s i -l interval -d 'Seconds between two looks' -r
complete -c coracle -n "__fish_coracle_using_subcommand stats" -s a -l all -d 'Also containers that don\'t run'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l no-stream -d 'Print once and end'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l no-reset -d 'Don\'t clear the screen'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -l no-trunc -d 'Print whole ids'
complete -c coracle -n "__fish_coracle_using_subcommand stats" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s t -l time -l timeout -d 'Seconds until SIGKILL (default: the container\'s own, 10)' -r
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand stop" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand tag" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand top" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s a -l all -d 'All that is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s f -l force -d 'Even while files of it are in use'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s a -l all -d 'All that is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s f -l force -d 'Even while files of it are in use'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand unshare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand untag" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand update" -l publish-add -d 'Publish a further port: [[IP:]HOSTPORT:]PORT[/udp]' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l publish-rm -d 'Publish a port no more: PORT[/udp] or [IP:]HOSTPORT:PORT[/udp]' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l restart -d 'When to start it again: no, always, unless-stopped, on-failure[:RETRIES]' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -s m -l memory -d 'Most memory' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l memory-swap -d 'Most memory and swap together, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l memory-reservation -d 'Memory that is kept when the host runs short' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -s c -l cpu-shares -d 'Relative share of CPU time (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpu-quota -d 'CPU time per period in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpu-period -d 'Period of the CPU quota in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpuset-cpus -d 'CPUs to run on, like 0-3,7' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -l pids-limit -d 'Most processes and threads, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand update" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand version" -s f -l format -d 'Print as json or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand version" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l condition -d 'What to wait for: not-running (stopped, exited), next-exit, removed, running' -r
complete -c coracle -n "__fish_coracle_using_subcommand wait" -s i -l interval -d 'Accepted for podman\'s scripts; coracle is told of the end and does not poll' -r
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l ignore -d 'Print -1 for containers that don\'t exist'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and not __fish_seen_subcommand_from build du prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and not __fish_seen_subcommand_from build du prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and not __fish_seen_subcommand_from build du prune" -f -a "du" -d 'Show what the build cache keeps'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and not __fish_seen_subcommand_from build du prune" -f -a "prune" -d 'Remove results of builds that no image has'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile, or - for standard input (default: Containerfile or Dockerfile in the context)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-arg -d 'Value of an ARG; without a value, that of the environment' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-context -d 'Another context for FROM, --from and stages: a directory, docker-image://IMAGE, oci-layout://DIR[:TAG], a git repository or the address of a tar' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l target -d 'The stage to build (default: the last)' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l pull -d 'When to ask the registry for base images: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l network -d 'Network of RUN: default, none or host' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l secret -d 'Secret for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l ssh -d 'Pass an ssh agent to RUN --mount=type=ssh: default, NAME=SOCKET or NAME=KEY[,KEY]' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l add-host -d 'Add a line to /etc/hosts of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l dns -d 'DNS server of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l ulimit -d 'Limit of RUN, as NAME=SOFT[:HARD]' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm in RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cap-add -d 'Give RUN a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cap-drop -d 'Take a capability from RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l security-opt -d 'Security option of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s v -l volume -d 'Mount a directory or file of the host in RUN; what it holds is no part of the cache\'s keys' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l device -d 'Give RUN a device of the host' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s m -l memory -d 'Limit of memory of each RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l memory-swap -d 'Limit of memory and swap of each RUN; -1 for unlimited swap' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s c -l cpu-shares -d 'Weight of RUN where CPU time is short (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpu-period -d 'Microseconds that the CPU quota is for' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpu-quota -d 'Microseconds of CPU time in each period' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpuset-cpus -d 'CPUs that RUN may use (0-3,5)' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cpuset-mems -d 'Memory nodes that RUN may use' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l dns-search -d 'Search domain of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l dns-option -d 'Option of RUN\'s resolver' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'Not supported: the control group is that of the session' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l unsetenv -d 'Leave a variable out of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Leave a label of the base image or the Dockerfile out of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l jobs -d 'Stages built at once; 0 is all (default: as many as there are cores, and at least 4)' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l progress -d 'How to show the build: auto, plain, tty, rawjson or quiet' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l timestamp -d 'Time of the image and its new files, in seconds since 1970 (default: SOURCE_DATE_EPOCH, or the base image\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l ignorefile -d 'The ignore file (default: FILE.dockerignore, .containerignore or .dockerignore)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Take no step of these stages from the cache' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cache-from -d 'Take steps from a shared cache: NAME, type=registry,ref=NAME or type=local,src=DIR; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cache-to -d 'Write a shared cache: NAME, type=inline, type=registry,ref=NAME or type=local,dest=DIR[,mode=max]; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l layers -d 'Accepted: every step is a layer and in the cache' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s o -l output -d 'What to make: type=image|registry|docker|oci|tar|local|cacheonly[,dest=PATH][,name=NAME][,push=true], DIR or -; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l push -d 'Push the image to the registries of its names' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l load -d 'Keep the image in the store, whatever else --output asks for' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write digests and names as JSON to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l format -d 'Form of the manifest: oci or docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l label -d 'Label of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l annotation -d 'Annotation of the manifest, or of what stands before a colon: index, manifest[PLATFORM], manifest-descriptor' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave out of the image what it was made by' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l manifest -d 'Add the images to the manifest list of that name, which is made if need be' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l platform -d 'Platforms to build for, as OS/ARCH[/VARIANT] or local; several make an index' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-arg-file -d 'Values of ARGs, one NAME=VALUE a line; --build-arg comes before them' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in the place of what it says' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l env -d 'Set a variable in the image; without a value, that of the environment' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Take the labels of base images over' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l allow -d 'Allow RUN --network=host: network.host' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l call -d 'What to do: build, or check (as --check)' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l group-add -d 'Additional group of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l http-proxy -d 'Pass the proxy variables of the environment to RUN' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l isolation -d 'Accepted: RUN is in a container of its own always' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l provenance -d 'Attestations are not made: false' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l sbom -d 'Attestations are not made: false' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l attest -d 'Attestations are not made: type=…,disabled=true' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l identity-label -d 'There is no label of ours: false' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l skip-unused-stages -d 'What nobody needs is not built: true' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l ipc -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l pid -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l uts -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cgroupns -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l userns -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l userns-uid-map -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l userns-gid-map -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l logfile -d 'Write to a file what the build tells' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l cache-ttl -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l compress -d 'Accepted: the context is sent nowhere' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s D -l disable-compression -d 'Accepted: layers are compressed when they are pushed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l disable-content-trust -d 'Accepted: there is no content trust' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l rm -d 'Accepted: nothing is left of a build but its image' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l debug-shell -d 'After a failed RUN, open a shell in what it left, with its mounts and variables'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l verify -d 'Build once more, without the cache, and tell all differences between the two images'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile instead of building it'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-cache -d 'Take no step from the cache'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l squash -d 'One layer for all that is new'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l squash-all -d 'One layer for all, the base image\'s too'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'Accepted: new files are never later than the time of the image'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l pull-always -d 'Always ask the registry for base images'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l pull-never -d 'Use base images of the store only'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-hosts -d 'No /etc/hosts of ours in RUN'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l all-platforms -d 'Not supported'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -l force-rm -d 'Accepted: nothing is left of a build but its image'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from du" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each line' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from du" -l verbose -d 'Print all that is known of each'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from du" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -l filter -d 'Only what was not used since: until=TIME' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -l keep-storage -l max-used-space -l reserved-space -d 'Keep what was used last, up to this size' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -l min-free-space -d 'Remove only until the disk has so much free' -r
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -s a -l all -d 'All results, and cache mounts'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -s f -l force -d 'Don\'t ask'
complete -c coracle -n "__fish_coracle_using_subcommand builder; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "attach" -d 'Connect the terminal to a running container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "commit" -d 'Make an image of a container\'s changes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "cp" -d 'Copy files between a container and the host'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "create" -d 'Create a container without starting it'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "diff" -d 'Show what a container changed in its files, or an image in those of the image below it'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "exec" -d 'Run a command in a running container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "export" -d 'Write a container\'s root file system as a tar archive'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "inspect" -d 'Show the details of containers, images, volumes or networks'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "kill" -d 'Send a signal to running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "logs" -d 'Print what a container wrote'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "mount" -d 'Mount the files of containers read-only, and print where; without arguments list what is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "unmount" -d 'Undo mount'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "umount" -d 'Undo mount'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "port" -d 'Show the published ports of a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "rename" -d 'Give a container another name'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "restart" -d 'Stop containers and start them again'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "rm" -d 'Remove containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "run" -d 'Create and start a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "start" -d 'Start created or stopped containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "stats" -d 'Show what containers use: CPU, memory, network, disks, processes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "stop" -d 'Stop running containers: their stop signal, then SIGKILL'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "top" -d 'Show the processes of a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "update" -d 'Change ports, limits and restart policy of containers, also while they run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "wait" -d 'Wait until containers end, and print their exit codes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "ls" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "list" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "exists" -d 'Ask whether a container exists: exit code 0 yes, 1 no'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp create diff exec export inspect kill logs mount unmount umount port rename restart rm run start stats stop top update wait ls list exists prune" -f -a "prune" -d 'Remove all containers that do not run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l detach-keys -d 'Keys that leave the container running' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'Pass signals on to the container' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l no-stdin -d 'Don\'t attach to stdin'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s a -l author -d 'Author of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s c -l change -d 'Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s f -l format -d 'Format of the image: oci or docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s m -l message -d 'Comment for the history' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s p -l pause -d 'Stop the container\'s processes meanwhile' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l include-volumes -d 'Make the container\'s volumes volumes of the image'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'No warnings'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s s -l squash -d 'One layer with all files, instead of one more'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s a -l archive -d 'Keep owners and groups'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s L -l follow-link -d 'Follow a symlink that is the source itself'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s q -l quiet -d 'Print nothing about what could not be copied'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l name -d 'Name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s a -l attach -d 'Streams to attach: stdin, stdout, stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s l -l label -d 'Label (KEY[=VALUE])' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l label-file -d 'File with one label a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l annotation -d 'Annotation (KEY=VALUE)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l restart -d 'Restart policy: no, always, unless-stopped, on-failure[:N]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-signal -d 'Signal that stops the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-timeout -d 'Seconds from the stop signal to SIGKILL' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l detach-keys -d 'Keys that detach from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l log-driver -d 'Log driver: k8s-file, none, passthrough' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l log-opt -d 'Log option: max-size, max-file, path, tag' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l disable-content-trust -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l no-healthcheck -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l runtime -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s e -l env -d 'Variable (KEY=VALUE, or KEY to take this environment\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l env-file -d 'File with one variable a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv -d 'Leave a variable of the image out' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l http-proxy -d 'Pass proxy variables on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l entrypoint -d 'Replace the image\'s entrypoint ("" for none)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s w -l workdir -d 'Working directory' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s u -l user -d 'User and group: names or ids' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l group-add -d 'Additional group, or keep-groups' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l umask -d 'umask, octal' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s v -l volume -d 'Mount a directory or volume: [SOURCE:]TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l mount -d 'Mount: type=bind|volume|tmpfs,source=…,target=…' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tmpfs -d 'Mount a tmpfs: TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l volumes-from -d 'Mount the volumes of another container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l image-volume -d 'What to do with the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only-tmpfs -d 'With --read-only, put a tmpfs on /run, /tmp and /var/tmp' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device -d 'Device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l network -l net -d 'Network: none, host, slirp4netns, pasta, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l network-alias -d 'Further name of the container in the network' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s p -l publish -d 'Publish a port: [[IP:]HOST:]CONTAINER[/PROTOCOL]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l expose -d 'Expose a port' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s h -l hostname -d 'Host name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l domainname -d 'NIS domain name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l add-host -d 'Line for /etc/hosts: NAME:ADDRESS' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns -d 'Name server' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-option -l dns-opt -d 'Option for resolv.conf' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-search -d 'Search domain' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l mac-address -d 'MAC address' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ip -d 'IPv4 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ip6 -d 'IPv6 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-add -d 'Add a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-drop -d 'Drop a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l security-opt -d 'Security option: seccomp=, no-new-privileges, mask=, unmask=' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l sysctl -d 'Namespaced kernel setting: KEY=VALUE' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l userns -d 'User namespace: private, host, keep-id, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pid -d 'Process namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ipc -d 'IPC namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l uts -d 'Host name namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroupns -d 'Cgroup namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ulimit -d 'Resource limit of processes: NAME=SOFT[:HARD]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s m -l memory -d 'Most memory' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swap -d 'Most memory and swap together, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-reservation -d 'Memory that is kept when the host runs short' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s c -l cpu-shares -d 'Relative share of CPU time (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-quota -d 'CPU time per period in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-period -d 'Period of the CPU quota in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-cpus -d 'CPUs to run on, like 0-3,7' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pids-limit -d 'Most processes and threads, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-score-adj -d 'Adjust the kernel\'s choice of what to kill when memory runs out (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l replace -d 'Remove a container that has the name already'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s i -l interactive -d 'Keep stdin open'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s t -l tty -d 'Give the container a terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print no pull progress'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l rootfs -d 'The image is a directory, used in place'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l env-host -d 'Pass this whole environment on'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv-all -d 'Leave all variables of the image out'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l init -d 'Run a small init that reaps zombies and forwards signals'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only -d 'Make the root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s P -l publish-all -d 'Publish all exposed ports to random ones'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l no-hosts -d 'Leave the image\'s /etc/hosts alone'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l privileged -d 'Give the container all capabilities and no seccomp filter (never more than you have)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from diff" -l format -d 'Print json instead of lines' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Environment variable (KEY=VALUE, or KEY to pass the host\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'File with one environment variable a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'User (NAME|UID[:GROUP|GID])' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'Working directory in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l detach-keys -d 'Keys that detach from the command' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Run in the background'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Pass stdin on'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Give the command a terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l privileged -d 'All capabilities of the container\'s user namespace, and no seccomp filter'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from export" -s o -l output -d 'File to write; standard output by default' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print json, ndjson, or the result of a Go template for each object' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s t -l type -d 'What to look for: all, container, image, volume, network' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Count the bytes of containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'Name or number of the signal' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l tail -d 'Only the last lines, or all' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'Only what was written after a time (RFC 3339, unix seconds) or within a duration (10m)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'Only what was written before a time' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until the container ends'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Print the time before each line'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -l format -d 'Print json, or the result of a Go template for each (of the list)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -s a -l all -d 'Mount all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -l no-trunc -d 'Print ids in full'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s a -l all -d 'All that is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Even while files of it are in use'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s a -l all -d 'All that is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s f -l force -d 'Even while files of it are in use'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from port" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from port" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s t -l time -l timeout -d 'Seconds until SIGKILL (default: the container\'s own, 10)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -l running -d 'With --all: only those that run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'With --force: seconds between the stop signal and SIGKILL' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Kill running containers first; containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Remove their anonymous volumes too'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sig-proxy -d 'Pass signals on to the container' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fds -d 'Pass descriptors 3 to N+2 on to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'Name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s a -l attach -d 'Streams to attach: stdin, stdout, stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'Label (KEY[=VALUE])' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l label-file -d 'File with one label a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l annotation -d 'Annotation (KEY=VALUE)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l restart -d 'Restart policy: no, always, unless-stopped, on-failure[:N]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'Signal that stops the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-timeout -d 'Seconds from the stop signal to SIGKILL' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cidfile -d 'Write the container\'s id to this file, which must not exist' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pidfile -d 'Write the pid of the container\'s first process to this file' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l detach-keys -d 'Keys that detach from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l log-driver -d 'Log driver: k8s-file, none, passthrough' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l log-opt -d 'Log option: max-size, max-file, path, tag' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'When to pull the image: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l disable-content-trust -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l no-healthcheck -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l runtime -d 'Taken for compatibility, without effect' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'Variable (KEY=VALUE, or KEY to take this environment\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'File with one variable a line' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv -d 'Leave a variable of the image out' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l http-proxy -d 'Pass proxy variables on' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'Replace the image\'s entrypoint ("" for none)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'Working directory' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'User and group: names or ids' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l group-add -d 'Additional group, or keep-groups' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l umask -d 'umask, octal' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'Mount a directory or volume: [SOURCE:]TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'Mount: type=bind|volume|tmpfs,source=…,target=…' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount a tmpfs: TARGET[:OPTIONS]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l volumes-from -d 'Mount the volumes of another container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l image-volume -d 'What to do with the image\'s volumes: anonymous, tmpfs, ignore' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only-tmpfs -d 'With --read-only, put a tmpfs on /run, /tmp and /var/tmp' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device -d 'Device of the host: HOST[:CONTAINER][:rwm]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l network -l net -d 'Network: none, host, slirp4netns, pasta, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l network-alias -d 'Further name of the container in the network' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s p -l publish -d 'Publish a port: [[IP:]HOST:]CONTAINER[/PROTOCOL]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l expose -d 'Expose a port' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'Host name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l domainname -d 'NIS domain name of the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l add-host -d 'Line for /etc/hosts: NAME:ADDRESS' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns -d 'Name server' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-option -l dns-opt -d 'Option for resolv.conf' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-search -d 'Search domain' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l mac-address -d 'MAC address' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ip -d 'IPv4 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ip6 -d 'IPv6 address in a network of your own' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'Add a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l security-opt -d 'Security option: seccomp=, no-new-privileges, mask=, unmask=' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sysctl -d 'Namespaced kernel setting: KEY=VALUE' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l userns -d 'User namespace: private, host, keep-id, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pid -d 'Process namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ipc -d 'IPC namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l uts -d 'Host name namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroupns -d 'Cgroup namespace: private, host, container:NAME' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ulimit -d 'Resource limit of processes: NAME=SOFT[:HARD]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s m -l memory -d 'Most memory' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swap -d 'Most memory and swap together, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-reservation -d 'Memory that is kept when the host runs short' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'Relative share of CPU time (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-quota -d 'CPU time per period in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-period -d 'Period of the CPU quota in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'CPUs to run on, like 0-3,7' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pids-limit -d 'Most processes and threads, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-score-adj -d 'Adjust the kernel\'s choice of what to kill when memory runs out (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'Leave the container running in the background and print its id'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l trace-time -d 'Print how long each phase of the start took'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l replace -d 'Remove a container that has the name already'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container and its anonymous volumes when it exits'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep stdin open'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'Give the container a terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Print no pull progress'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l rootfs -d 'The image is a directory, used in place'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l env-host -d 'Pass this whole environment on'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv-all -d 'Leave all variables of the image out'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l init -d 'Run a small init that reaps zombies and forwards signals'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'Make the root file system read-only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s P -l publish-all -d 'Publish all exposed ports to random ones'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l no-hosts -d 'Leave the image\'s /etc/hosts alone'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l privileged -d 'Give the container all capabilities and no seccomp filter (never more than you have)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l detach-keys -d 'Keys that leave the container running' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l sig-proxy -d 'Pass signals on to the container' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'Attach to stdout and stderr, and exit with the container\'s code'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'Attach to stdin too'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l all -d 'All containers that don\'t run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -s i -l interval -d 'Seconds between two looks' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -s a -l all -d 'Also containers that don\'t run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-stream -d 'Print once and end'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-reset -d 'Don\'t clear the screen'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-trunc -d 'Print whole ids'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -l timeout -d 'Seconds until SIGKILL (default: the container\'s own, 10)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s f -l filter -d 'Only containers that pass (KEY=VALUE, see ps)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -l cidfile -d 'Read the container\'s id from a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'All containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'Containers that don\'t exist are no error'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from top" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l publish-add -d 'Publish a further port: [[IP:]HOSTPORT:]PORT[/udp]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l publish-rm -d 'Publish a port no more: PORT[/udp] or [IP:]HOSTPORT:PORT[/udp]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l restart -d 'When to start it again: no, always, unless-stopped, on-failure[:RETRIES]' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -s m -l memory -d 'Most memory' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swap -d 'Most memory and swap together, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-reservation -d 'Memory that is kept when the host runs short' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -s c -l cpu-shares -d 'Relative share of CPU time (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-quota -d 'CPU time per period in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-period -d 'Period of the CPU quota in microseconds' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-cpus -d 'CPUs to run on, like 0-3,7' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -l pids-limit -d 'Most processes and threads, -1 for no limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l condition -d 'What to wait for: not-running (stopped, exited), next-exit, removed, running' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -s i -l interval -d 'Accepted for podman\'s scripts; coracle is told of the end and does not poll' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l ignore -d 'Print -1 for containers that don\'t exist'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only containers that pass (KEY=VALUE: name, id, label, status, exited, ancestor, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'The last N created ones, whatever their state' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l sort -d 'Order by: created, id, image, names, command, runningfor, size, status' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'Also those that don\'t run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'The last created one, whatever its state'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Don\'t shorten ids and commands'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s s -l size -d 'Print the sizes of files'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -l no-heading -d 'Don\'t print the header'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l sync -d 'Accepted for podman\'s scripts'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s f -l filter -d 'Only containers that pass (KEY=VALUE: name, id, label, status, exited, ancestor, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s n -l last -d 'The last N created ones, whatever their state' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l sort -d 'Order by: created, id, image, names, command, runningfor, size, status' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s a -l all -d 'Also those that don\'t run'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s l -l latest -d 'The last created one, whatever its state'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l no-trunc -d 'Don\'t shorten ids and commands'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s s -l size -d 'Print the sizes of files'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l noheading -l no-heading -d 'Don\'t print the header'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l sync -d 'Accepted for podman\'s scripts'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exists" -s e -l external -d 'Accepted for podman\'s scripts'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'Only containers that pass (until=, label=, label!=, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'Don\'t ask'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say what would be removed'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "diff" -d 'Show what a container changed in its files, or an image in those of the image below it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "history" -d 'Show how an image came to be, its latest step first'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "import" -d 'Make an image of a root file system\'s tar archive'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "load" -d 'Load images from an archive'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "mount" -d 'Mount the files of images read-only, and print where; without arguments list what is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "pull" -d 'Pull images from a registry'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "push" -d 'Push an image to a registry'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "save" -d 'Save images as an archive or a directory'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "tag" -d 'Give an image further names'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "tree" -d 'Show the layers of an image, the lowest first, and the names of other images that end at each'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "unmount" -d 'Undo mount'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "umount" -d 'Undo mount'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "untag" -d 'Take names away from an image; the image stays'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "ls" -d 'List images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "list" -d 'List images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "rm" -d 'Remove images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "remove" -d 'Remove images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "exists" -d 'Tell by the exit code whether an image is in the store: 0 yes, 1 no, 125 error'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "inspect" -d 'Show the details of images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from build diff history import load mount pull push save tag tree unmount umount untag ls list rm remove exists inspect prune" -f -a "prune" -d 'Remove unused images: those without a name that no container uses'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile, or - for standard input (default: Containerfile or Dockerfile in the context)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l build-arg -d 'Value of an ARG; without a value, that of the environment' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l build-context -d 'Another context for FROM, --from and stages: a directory, docker-image://IMAGE, oci-layout://DIR[:TAG], a git repository or the address of a tar' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l target -d 'The stage to build (default: the last)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l pull -d 'When to ask the registry for base images: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l network -d 'Network of RUN: default, none or host' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l secret -d 'Secret for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l ssh -d 'Pass an ssh agent to RUN --mount=type=ssh: default, NAME=SOCKET or NAME=KEY[,KEY]' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l add-host -d 'Add a line to /etc/hosts of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l dns -d 'DNS server of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l ulimit -d 'Limit of RUN, as NAME=SOFT[:HARD]' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm in RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cap-add -d 'Give RUN a capability' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cap-drop -d 'Take a capability from RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l security-opt -d 'Security option of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s v -l volume -d 'Mount a directory or file of the host in RUN; what it holds is no part of the cache\'s keys' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l device -d 'Give RUN a device of the host' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s m -l memory -d 'Limit of memory of each RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l memory-swap -d 'Limit of memory and swap of each RUN; -1 for unlimited swap' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s c -l cpu-shares -d 'Weight of RUN where CPU time is short (2 to 262144)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpu-period -d 'Microseconds that the CPU quota is for' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpu-quota -d 'Microseconds of CPU time in each period' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpuset-cpus -d 'CPUs that RUN may use (0-3,5)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cpuset-mems -d 'Memory nodes that RUN may use' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l dns-search -d 'Search domain of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l dns-option -d 'Option of RUN\'s resolver' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'Not supported: the control group is that of the session' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l unsetenv -d 'Leave a variable out of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Leave a label of the base image or the Dockerfile out of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l jobs -d 'Stages built at once; 0 is all (default: as many as there are cores, and at least 4)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l progress -d 'How to show the build: auto, plain, tty, rawjson or quiet' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l timestamp -d 'Time of the image and its new files, in seconds since 1970 (default: SOURCE_DATE_EPOCH, or the base image\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l ignorefile -d 'The ignore file (default: FILE.dockerignore, .containerignore or .dockerignore)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Take no step of these stages from the cache' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cache-from -d 'Take steps from a shared cache: NAME, type=registry,ref=NAME or type=local,src=DIR; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cache-to -d 'Write a shared cache: NAME, type=inline, type=registry,ref=NAME or type=local,dest=DIR[,mode=max]; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l layers -d 'Accepted: every step is a layer and in the cache' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s o -l output -d 'What to make: type=image|registry|docker|oci|tar|local|cacheonly[,dest=PATH][,name=NAME][,push=true], DIR or -; may be given several times' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l push -d 'Push the image to the registries of its names' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l load -d 'Keep the image in the store, whatever else --output asks for' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write digests and names as JSON to a file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l format -d 'Form of the manifest: oci or docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l label -d 'Label of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l annotation -d 'Annotation of the manifest, or of what stands before a colon: index, manifest[PLATFORM], manifest-descriptor' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave out of the image what it was made by' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l manifest -d 'Add the images to the manifest list of that name, which is made if need be' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l platform -d 'Platforms to build for, as OS/ARCH[/VARIANT] or local; several make an index' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l build-arg-file -d 'Values of ARGs, one NAME=VALUE a line; --build-arg comes before them' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in the place of what it says' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l env -d 'Set a variable in the image; without a value, that of the environment' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Take the labels of base images over' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l allow -d 'Allow RUN --network=host: network.host' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l call -d 'What to do: build, or check (as --check)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l group-add -d 'Additional group of RUN' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l http-proxy -d 'Pass the proxy variables of the environment to RUN' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l isolation -d 'Accepted: RUN is in a container of its own always' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l provenance -d 'Attestations are not made: false' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l sbom -d 'Attestations are not made: false' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l attest -d 'Attestations are not made: type=…,disabled=true' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l identity-label -d 'There is no label of ours: false' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l skip-unused-stages -d 'What nobody needs is not built: true' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l ipc -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l pid -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l uts -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cgroupns -d 'Private always' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l userns -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l userns-uid-map -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l userns-gid-map -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l logfile -d 'Write to a file what the build tells' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l cache-ttl -d 'Not supported' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l compress -d 'Accepted: the context is sent nowhere' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s D -l disable-compression -d 'Accepted: layers are compressed when they are pushed' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l disable-content-trust -d 'Accepted: there is no content trust' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l rm -d 'Accepted: nothing is left of a build but its image' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l debug-shell -d 'After a failed RUN, open a shell in what it left, with its mounts and variables'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l verify -d 'Build once more, without the cache, and tell all differences between the two images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile instead of building it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache -d 'Take no step from the cache'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l squash -d 'One layer for all that is new'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l squash-all -d 'One layer for all, the base image\'s too'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'Accepted: new files are never later than the time of the image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l pull-always -d 'Always ask the registry for base images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l pull-never -d 'Use base images of the store only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l no-hosts -d 'No /etc/hosts of ours in RUN'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l all-platforms -d 'Not supported'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -l force-rm -d 'Accepted: nothing is left of a build but its image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from diff" -l format -d 'Print json instead of lines' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'Print sizes and times for people (--human=false: bytes and RFC 3339)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'Print long texts and ids in full'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s c -l change -d 'Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s m -l message -d 'Comment for the history' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l platform -d 'Platform of the image, as OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l arch -d 'Architecture of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Print the image\'s id only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'Archive or OCI directory; standard input by default' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -l platform -d 'Load the images for this platform only, OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'Don\'t print the names'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -l format -d 'Print json, or the result of a Go template for each (of the list)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -s a -l all -d 'Mount all images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l policy -d 'When to ask the registry: always, missing, never, newer' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l disable-content-trust -d 'Accepted and ignored (docker\'s content trust is not provided)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Print nothing but the result'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -s a -l all-tags -d 'Pull every tag of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -s f -l format -d 'Manifest format: oci or v2s2 (default: as stored)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-format -d 'Compress layers with gzip or zstd, those too that are compressed otherwise' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-level -d 'Compression level: 1 to 9 for gzip, 1 to 20 for zstd' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l force-compression -d 'Send layers in the chosen compression even if the registry has them in another (default: true with --compression-format)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of the pushed manifest to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l platform -d 'Push what is for this platform, OS/ARCH[/VARIANT]: of a manifest list its image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l disable-content-trust -d 'Accepted and ignored (docker\'s content trust is not provided)' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Print nothing but the result'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -s a -l all-tags -d 'Push every tag of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -l remove-signatures -d 'Accepted and ignored (signatures are never pushed)'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'File or directory to write; standard output by default' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'docker-archive, oci-archive, oci-dir (a directory with an OCI layout), docker-dir (one with a Docker manifest)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l platform -d 'Of a manifest list only what is for this platform, OS/ARCH[/VARIANT]; can be given several times where the format holds lists' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l compress -d 'Compress the layers of a docker-dir'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l uncompressed -d 'Leave uncompressed layers so in OCI layouts; by default those of images that were made here are compressed'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s m -l multi-image-archive -d 'Save several images, where podman takes further words for names of the first'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Accepted: nothing but the archive is printed'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from tree" -l whatrequires -d 'Show the images that are built upon it instead'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from tree" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -s a -l all -d 'All that is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Even while files of it are in use'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -s a -l all -d 'All that is mounted'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -s f -l force -d 'Even while files of it are in use'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from untag" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only images that fit: reference=PATTERN, dangling=BOOL, label=KEY[=VALUE], label!=…, before=IMAGE, since=IMAGE, until=TIME, id=ID, digest=DIGEST, containers=BOOL, manifest=BOOL' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l sort -d 'Order by: created (newest first), id, repository, tag, size, digest' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'Accepted for compatibility: there are no hidden images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Print ids and digests in full'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Leave out the heading'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l history -d 'Show all names of each image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'Only images that fit: reference=PATTERN, dangling=BOOL, label=KEY[=VALUE], label!=…, before=IMAGE, since=IMAGE, until=TIME, id=ID, digest=DIGEST, containers=BOOL, manifest=BOOL' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l sort -d 'Order by: created (newest first), id, repository, tag, size, digest' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s a -l all -d 'Accepted for compatibility: there are no hidden images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print ids only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'Print ids and digests in full'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Leave out the heading'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l history -d 'Show all names of each image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all images that no container uses'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove images that containers use, and by id those with several names; don\'t mind missing ones'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Don\'t mind missing images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -l no-prune -d 'Accepted and ignored: there are no untagged parents'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all images that no container uses'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove images that containers use, and by id those with several names; don\'t mind missing ones'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'Don\'t mind missing images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -l no-prune -d 'Accepted and ignored: there are no untagged parents'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print json, ndjson, or the result of a Go template for each image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l filter -d 'Only images that pass (until=, label=, label!=, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Also images that have a name'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'Don\'t ask'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l external -d 'Accepted: nothing but our own containers uses our images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say what would be removed'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "add" -d 'Add images to a manifest list'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "annotate" -d 'Say more about an image of a manifest list, or about the list itself'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "create" -d 'Make a manifest list: one name for images of several platforms'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "exists" -d 'Tell by the exit code whether a manifest list is in the store: 0 yes, 1 no, 125 error'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "inspect" -d 'Show a manifest list of the store, or the manifest that a registry has'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "push" -d 'Push a manifest list and its images to a registry'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "remove" -d 'Take images out of a manifest list'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect push remove rm" -f -a "rm" -d 'Remove manifest lists; the images that they list stay'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l annotation -d 'Annotation of the image\'s entry' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l arch -d 'Architecture of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l features -d 'Features of the processor that it needs' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-features -d 'Features of the operating system that it needs' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-version -d 'Version of the operating system' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l all -d 'Of sources that are manifest lists: add all images, not the one for this platform'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l annotation -d 'Annotation of the image\'s entry' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l arch -d 'Architecture of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l features -d 'Features of the processor that it needs' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-features -d 'Features of the operating system that it needs' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-version -d 'Version of the operating system' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l index -d 'Annotate the list itself (with --annotation alone)'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l annotation -d 'Annotation of the list' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l all -d 'Of images that are manifest lists: add all that they list, not the one for this platform'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -s a -l amend -d 'Add to the list if there is one of that name already'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l insecure -d 'Same as --tls-verify=false'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l insecure -d 'Same as --tls-verify=false'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Accepted for docker\'s scripts'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l all -d 'Push the images too; --all=false sends the list alone, whose images must be there' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -s f -l format -d 'Format of the list and its images: oci or v2s2 (default: as stored)' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l compression-format -d 'Compress layers with gzip or zstd, those too that are compressed otherwise' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l compression-level -d 'Compression level: 1 to 9 for gzip, 1 to 20 for zstd' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l force-compression -d 'Send layers in the chosen compression even if the registry has them in another' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of the pushed list to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -s p -l rm -l purge -d 'Remove the list from the store when it is pushed'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Print nothing but the result'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l insecure -d 'Same as --tls-verify=false'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -l remove-signatures -d 'Accepted and ignored (signatures are never pushed)'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Don\'t mind missing lists'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "connect" -d 'Connect a container to a network, also while it runs'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "create" -d 'Create a network whose containers reach each other by name'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "disconnect" -d 'Disconnect a container from a network, also while it runs'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "exists" -d 'Ask whether a network exists: exit code 0 yes, 1 no'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "inspect" -d 'Show the details of networks: ranges, members and their traffic'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "ls" -d 'List networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "list" -d 'List networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "prune" -d 'Remove all networks that no container is on'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "reload" -d 'Make what is missing of running containers\' networks anew'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "rm" -d 'Remove networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from connect create disconnect exists inspect ls list prune reload rm remove" -f -a "remove" -d 'Remove networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l ip -d 'IPv4 address' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l ip6 -d 'IPv6 address' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l mac-address -d 'Hardware address' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -l alias -d 'Further name of the container in the network' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from connect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l subnet -d 'Subnet (up to one of each family; default: a free one)' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l gateway -d 'Address of the network\'s own end (default: the subnet\'s first)' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ip-range -d 'Addresses for containers: a subnet, or FIRST-LAST' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ipv4 -d 'IPv4 addresses' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l label -d 'Label (KEY[=VALUE])' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -s d -l driver -d 'Driver: only bridge is there' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l dns -d 'Server to ask for names outside (default: the host\'s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -s o -l opt -d 'Option: mtu=BYTES, isolate=true, way_out=slirp4netns|pasta' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ipam-driver -d 'Docker\'s and podman\'s: addresses are given by the engine itself' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l internal -d 'No way out of the network'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ipv6 -d 'IPv6 addresses too'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l disable-dns -d 'No name service'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l ignore -d 'A network that exists already is no error'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -l attachable -d 'Docker\'s: any container may join any network here'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from disconnect" -s f -l force -d 'A container that does not exist or is not there is no error'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from disconnect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print json, ndjson, or the result of a Go template for each network' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Docker\'s: nothing more is known'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only those that match: name=, id=, label=, label!=, driver=, dangling=, type=, until=' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each network' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Print whole ids'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s n -l noheading -l no-heading -d 'Print no heading'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Names only (as docker: ids)'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s f -l filter -d 'Only those that match: name=, id=, label=, label!=, driver=, dangling=, type=, until=' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each network' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -l no-trunc -d 'Print whole ids'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s n -l noheading -l no-heading -d 'Print no heading'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Names only (as docker: ids)'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -l filter -d 'Only networks that pass (until=, label=, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -s f -l force -d 'Don\'t ask'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from reload" -s a -l all -d 'All running containers'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from reload" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -s t -l time -d 'With --force: seconds until a container is killed' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove the containers on it too (as docker: a network that does not exist is no error)'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -s t -l time -d 'With --force: seconds until a container is killed' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove the containers on it too (as docker: a network that does not exist is no error)'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor info prune reset" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor info prune reset" -f -a "check" -d 'Check the store, and repair it'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor info prune reset" -f -a "df" -d 'Show what the store takes on disk'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor info prune reset" -f -a "doctor" -d 'Check what this host offers to containers, and say how to mend what is missing'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor info prune reset" -f -a "info" -d 'Show the host, the store and what containers get here'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor info prune reset" -f -a "prune" -d 'Remove everything that is unused'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check df doctor info prune reset" -f -a "reset" -d 'Delete all containers, images and volumes, and everything else that coracle has stored'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l format -d 'Print json or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l authfile -d 'File with registry credentials' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l creds -d 'Credentials for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l cert-dir -d 'Directory with certificates and keys for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l tls-verify -d 'Require HTTPS and verify certificates' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l retry -d 'How often to retry after a failure' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l retry-delay -d 'Wait between retries, such as 2s or 1m (default: doubling from 1s)' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l arch -d 'Architecture of the image, instead of this machine\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l os -d 'Operating system of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l variant -d 'Variant of the architecture' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s r -l repair -d 'Heal what can be healed'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s q -l quick -d 'Don\'t read file contents: sizes, owners, modes and times tell'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l json -d 'Print JSON: {"schema": 1, "store", "quick", "sound", "checked", "containers", "volumes", "findings": [{"severity", "object", "problem", "details", "consequence", "repair", "outcome"}]}'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -l silent -d 'Say nothing: only the exit code tells'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each line' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -s v -l verbose -d 'Each image, container and volume'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -s f -l format -d 'Print json or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -l json -d 'Print JSON: {"schema": 1, "version", "runs", "checks": [{"check", "state", "detail", "consequence", "fix", "essential"}]}'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d 'Print json or the result of a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -l json -d 'Print json'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -s D -l debug -d 'Taken for compatibility, without effect'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l filter -d 'Only what passes: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -s a -l all -d 'All images that no container uses, and downloads that broke off'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l volumes -d 'Anonymous volumes that no container mounts, too'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -s f -l force -d 'Don\'t ask'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say what would be removed'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l build -d 'The build cache too, as with --all'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from reset" -s f -l force -d 'Don\'t ask'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "create" -d 'Create a volume'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "exists" -d 'Ask whether a volume exists: exit code 0 yes, 1 no'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "export" -d 'Write the files of a volume as a tar archive'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "import" -d 'Put the files of a tar archive into a volume'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "inspect" -d 'Show the details of volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "ls" -d 'List volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "list" -d 'List volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "mount" -d 'Print where the files of volumes are, for commands that run with the containers\' ids'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "prune" -d 'Remove unused volumes: anonymous ones that no container mounts'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "rm" -d 'Remove volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "remove" -d 'Remove volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "unmount" -d 'The opposite of `volume mount`, which mounts nothing: for scripts'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from create exists export import inspect ls list mount prune rm remove unmount umount" -f -a "umount" -d 'The opposite of `volume mount`, which mounts nothing: for scripts'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -s l -l label -d 'Label (KEY[=VALUE])' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -s d -l driver -d 'Driver: only local is there' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -s o -l opt -d 'Driver option: type=tmpfs or none, device=DIRECTORY, o=OPTION,… (bind, size=, mode=, ro, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -l ignore -d 'A volume that exists already is no error'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from export" -s o -l output -d 'File to write; standard output by default' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print json, ndjson, or the result of a Go template for each volume' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Tell the size as well (UsageData)'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s a -l all -d 'All volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only those that match: name=, label=, label!=, driver=, opt=, dangling=, anonymous=, scope=, since=, until=' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each volume' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -l noheading -l no-heading -d 'Print no heading'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Names only'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'Only those that match: name=, label=, label!=, driver=, opt=, dangling=, anonymous=, scope=, since=, until=' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d 'Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each volume' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -l noheading -l no-heading -d 'Print no heading'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Names only'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'Only volumes that pass (label=, label!=, until=, …)' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -s a -l all -d 'Also volumes that have a name'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Don\'t ask'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say what would be removed'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds that a running container gets to end by itself, with --force' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'A volume that does not exist is no error, containers that use it are removed (called as docker: they are not)'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s a -l all -d 'All volumes that no container uses'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s t -l time -d 'Seconds that a running container gets to end by itself, with --force' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s f -l force -d 'A volume that does not exist is no error, containers that use it are removed (called as docker: they are not)'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s a -l all -d 'All volumes that no container uses'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from unmount" -s h -l help -d 'Print help'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from umount" -s h -l help -d 'Print help'

# Names of containers, images, volumes and networks from the store.
function __coracle_names
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
function __coracle_wants_name
    not string match -q -- '-*' (commandline -ct)
    and not contains -- cp (commandline -opc)
    and test -n "$(__coracle_names)"
end
complete -c coracle -n __coracle_wants_name -f -a "(__coracle_names)"
complete -c coracle -n "contains -- cp (commandline -opc)" -a "(__coracle_names)"
