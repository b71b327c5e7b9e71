/* What a program finds around it in a guest: what it would find in a container, by the OCI runtime
 * specification (config-linux.md, "Default Filesystems" and "Default Devices") and by what
 * container engines add to it. docs/guest.md has the list; the test of the same name reads it in a
 * guest. As process 1 of the guest. */
#ifndef BANGER_AGENT_SURROUNDINGS_H
#define BANGER_AGENT_SURROUNDINGS_H

/* Kernel file systems, the links in /dev, the loopback interface. What fails is logged. */
void surroundings_mount(void);
/* The root that is mounted at new_root gets those mounts, and what images may lack: /run with the
 * folders and links that the image has there, /tmp, /var/tmp, /etc/mtab. 0, or -1 with errno where
 * a mount could not be moved. */
int surroundings_move(const char *new_root);

#endif
