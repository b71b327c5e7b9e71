/* Kinds of host objects that this host may lack, each as a plain file of a VM's: for what
 * operations do with them. */
#ifndef BANGER_TESTS_INTEGRATION_CORE_STAND_INS_H
#define BANGER_TESTS_INTEGRATION_CORE_STAND_INS_H

/* Reflinks, and disks of device-mapper's. Before the world is opened. */
void stand_ins_use(void);

#endif
