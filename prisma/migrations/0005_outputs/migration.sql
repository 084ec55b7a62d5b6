-- AlterTable
ALTER TABLE "job" ADD COLUMN "outputs" TEXT;
