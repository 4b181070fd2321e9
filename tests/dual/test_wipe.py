"""After a factory reset the image of the flash holds nothing of what was on it, whatever the file system keeps."""

import os

from minitest import MICROPYTHON, TestCase

from holdfast_device.wipe_shell import wipe

BLOCK_LEN, BLOCKS = 4096, 32
SECRET = b"master secret of a tube"
FOLDER = "/tmp/holdfast-test-wipe"


class RamFlash:
    """A flash chip as MicroPython's block devices are; image is what a thief would read off it."""

    def __init__(self):
        self.image = bytearray(b"\xff" * (BLOCKS * BLOCK_LEN))

    def readblocks(self, block, buffer, offset=0):
        start = block * BLOCK_LEN + offset
        buffer[:] = self.image[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * BLOCK_LEN + offset
        self.image[start : start + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 6:
            self.image[argument * BLOCK_LEN : (argument + 1) * BLOCK_LEN] = b"\xff" * BLOCK_LEN
        return {4: BLOCKS, 5: BLOCK_LEN}.get(operation, 0)

    def secrets(self):
        return bytes(self.image).count(SECRET)


def put(folder, name, content):
    with open(folder + "/" + name, "wb") as file:
        file.write(content)


def fill(folder):
    """A life of a device: provisioned twice, and its state saved many times."""
    for _ in range(2):
        put(folder, "provisioning", SECRET * 100)
    for save in range(60):
        put(folder, f"state.{save & 1}", bytes([save]) * 20 + SECRET + bytes(30))


class OnFiles(TestCase):
    def setUp(self):
        self.clean()
        os.mkdir(FOLDER)

    def tearDown(self):
        self.clean()

    def clean(self):
        try:
            for name in os.listdir(FOLDER):
                os.remove(FOLDER + "/" + name)
            os.rmdir(FOLDER)
        except OSError:
            pass

    def test_every_file_goes_and_a_large_disk_is_not_filled(self):
        fill(FOLDER)
        told = []
        wipe(FOLDER, told.append)
        self.assertEqual(os.listdir(FOLDER), [])
        self.assertEqual(told, ["files", "log", "done"])
        wipe(FOLDER)  # and again, with nothing there

    def test_contents_are_written_over_before_the_file_goes(self):
        put(FOLDER, "provisioning", SECRET * 100)
        if not MICROPYTHON:
            os.link(FOLDER + "/provisioning", FOLDER + ".link")  # what the disk holds under that file's name
            wipe(FOLDER)
            with open(FOLDER + ".link", "rb") as file:
                self.assertEqual(file.read(), bytes(len(SECRET) * 100))
            os.remove(FOLDER + ".link")

    def test_a_directory_that_is_not_there_is_an_error(self):
        with self.assertRaises(OSError):
            wipe(FOLDER + "/none")


class OnLittlefs(TestCase if MICROPYTHON else object):  # the file system of boards; CPython has none
    def setUp(self):
        import vfs

        self.vfs, self.flash = vfs, RamFlash()
        vfs.VfsLfs2.mkfs(self.flash)
        vfs.mount(vfs.VfsLfs2(self.flash), "/flash")
        os.mkdir("/flash/holdfast")
        fill("/flash/holdfast")

    def tearDown(self):
        self.vfs.umount("/flash")

    def test_removing_is_not_enough(self):
        for name in os.listdir("/flash/holdfast"):
            os.remove("/flash/holdfast/" + name)
        self.assertTrue(self.flash.secrets() > 50)

    def test_nothing_is_left_in_the_image_and_the_file_system_lives(self):
        self.assertTrue(self.flash.secrets() > 50)
        told = []
        wipe("/flash/holdfast", told.append)
        self.assertEqual(told, ["files", "log", "free space", "done"])
        self.assertEqual(self.flash.secrets(), 0)
        self.assertEqual(bytes(self.flash.image).count(SECRET[:8]), 0)
        fill("/flash/holdfast")
        with open("/flash/holdfast/provisioning", "rb") as file:
            self.assertEqual(file.read(), SECRET * 100)

    def test_a_nearly_full_file_system_keeps_nothing_either(self):
        """With little free space to fill, only writing the directory's log round gets at what small files left."""
        put("/flash", "app", bytes(20 * BLOCK_LEN))
        wipe("/flash/holdfast")
        self.assertEqual(self.flash.secrets(), 0)
