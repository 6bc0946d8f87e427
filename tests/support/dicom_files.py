"""Small DICOM files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

PATIENT = "Mueller^Hans"


def write_dicom(path: Path, pixels: np.ndarray, *, bits: int = 8, inverted: bool = False) -> FileDataset:
    """Write 8-bit pixels as a DICOM file, stretched to `bits`; a patient's name is in its header.

    Args:
        path: the file.
        pixels: uint8, (height, width) or (height, width, 3).
        bits: bits stored, in 8 or 16 allocated.
        inverted: MONOCHROME1, where 0 is white.

    Returns:
        The data set, for a test that changes it and saves it again.
    """
    values = 255 - pixels if inverted else pixels
    stored = np.round(values / 255.0 * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    dataset = FileDataset(path, Dataset(), file_meta=FileMetaDataset(), preamble=bytes(128))
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PatientName = PATIENT
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    grey = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else grey
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    dataset.save_as(path, enforce_file_format=True)
    return dataset
